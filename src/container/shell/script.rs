//! A script parsed once for all containers that run it.
//!
//! A shell reads and runs command by command, since an alias or `shopt` changes how the rest is read. What a command is
//! read as follows from the text, the place and the grammar alone, and nearly every script is read with the grammar
//! that it began with. So each place is read once with that grammar; a shell whose grammar has changed, and one that
//! gets to a place which could not be read, reads for itself.

use std::sync::Arc;

use super::ast::NodeRef;
use super::dialect::Dialect;
use super::lexer::{Grammar, Source};

/// Nesting of commands in a text.
pub(super) const MAX_DEPTH: usize = 200;

/// The commands of a text, as far as it can be read.
#[derive(Debug)]
pub(crate) struct Script {
    beginning: Source,
    commands: Vec<Command>,
}

/// What one call of the parser found.
#[derive(Debug)]
struct Command {
    at: usize,
    /// The command; nothing at the end of the text.
    node: Option<NodeRef>,
    /// Where the next one begins.
    end: usize,
    line: u32,
}

impl Script {
    /// Reads a text whose first line has this number.
    pub(crate) fn read(dialect: Dialect, line: u32, text: &str) -> Self {
        let beginning = Source::at_line(text, line);
        let grammar = Grammar { dialect, extglob: false, aliases: None, max_depth: MAX_DEPTH };
        let mut commands = Vec::new();
        let mut source = beginning.clone();
        loop {
            let at = source.pos;
            let Ok(node) = super::parser::next_command(&mut source, grammar) else { break };
            let over = node.is_none();
            commands.push(Command { at, node, end: source.pos, line: source.line });
            if over {
                break;
            }
        }
        Self { beginning, commands }
    }

    /// Its beginning, to be read from.
    pub(super) fn source(&self) -> Source {
        self.beginning.clone()
    }

    /// Reads the next command as the parser would; nothing where it has to be asked.
    pub(super) fn next(
        &self,
        source: &mut Source,
        grammar: Grammar<'_>,
    ) -> Option<Option<NodeRef>> {
        if grammar.extglob
            || grammar.aliases.is_some_and(|a| !a.is_empty())
            || !Arc::ptr_eq(&source.text, &self.beginning.text)
        {
            return None;
        }
        let found = self.commands.binary_search_by_key(&source.pos, |c| c.at).ok()?;
        let command = &self.commands[found];
        (source.pos, source.line) = (command.end, command.line);
        Some(command.node.clone())
    }
}
