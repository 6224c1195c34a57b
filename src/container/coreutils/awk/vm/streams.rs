//! `print`, `printf` and `getline`: what goes out and what comes in beside the main input.

use super::super::ast::Redirect;
use super::super::code::From;
use super::super::functions::format;
use super::super::io::{Got, Writer, command_reader, file_reader};
use super::super::values::Value;
use super::{Awk, CONVFMT, Flow, NR, OFMT, OFS, ORS};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::Fd;
use crate::container::text::encode;

impl Awk {
    pub(super) fn print(
        &mut self,
        sys: &mut Sys<'_, '_>,
        n: usize,
        redirect: Redirect,
        plain: bool,
    ) -> Result<Flow, String> {
        let to = if redirect == Redirect::None { None } else { Some(self.pop_text()) };
        let mut values: Vec<Value> = (0..n).map(|_| self.pop()).collect();
        values.reverse();
        let text = if plain {
            let shown: Vec<Str> = if n == 0 {
                vec![self.joined_record()]
            } else {
                let shape = self.format_of(OFMT);
                values.iter().map(|v| v.text(&shape)).collect()
            };
            format!("{}{}", shown.join(&self.global_text(OFS)), self.global_text(ORS))
        } else {
            let shape = self.text_of(&values[0]);
            format(&shape, &values[1..], &self.format_of(CONVFMT))
        };
        let bytes = encode(&text);
        let Some(to) = to else {
            sys.out(&bytes);
            return Ok(Flow::Go);
        };
        let index = match self.writers.iter().position(|w| w.name == to) {
            Some(index) => index,
            None => {
                let others = self.fds();
                let writer = if redirect == Redirect::Command {
                    Writer::command(sys, &to, &self.environment, &others)
                } else {
                    Writer::file(sys, &to, redirect == Redirect::Append)
                };
                let Some(writer) = writer else {
                    return Err(format!("can't open '{to}'"));
                };
                self.writers.push(writer);
                self.writers.len() - 1
            }
        };
        self.writers[index].put(sys, &bytes);
        Ok(Flow::Go)
    }

    /// The descriptors that children must not keep open.
    pub(in super::super) fn fds(&self) -> Vec<Fd> {
        let writers = self.writers.iter().map(|w| w.fd);
        let readers = self.readers.iter().map(|(_, r)| r.fd());
        writers.chain(readers).filter(|fd| *fd > 2).collect()
    }

    pub(super) fn getline(&mut self, sys: &mut Sys<'_, '_>, from: From, keep: bool) -> Flow {
        let got = match from {
            From::Main => match self.main_record(sys) {
                Ok(Some(record)) => Got::Record(record.to_string()),
                Ok(None) => Got::End,
                Err(wait) => Got::Wait(wait),
            },
            From::File | From::Command => {
                let name = self.peek_text();
                let end = self.record_end();
                let index = match self.readers.iter().position(|(n, _)| *n == name) {
                    Some(index) => Some(index),
                    None => {
                        let reader = if from == From::File {
                            file_reader(sys, &name)
                        } else {
                            sys.flush();
                            let others = self.fds();
                            command_reader(sys, &name, &self.environment, &others)
                        };
                        reader.map(|reader| {
                            self.readers.push((name, reader));
                            self.readers.len() - 1
                        })
                    }
                };
                match index {
                    Some(index) => self.readers[index].1.record(sys, &end),
                    None => Got::Failed,
                }
            }
        };
        if let Got::Wait(wait) = got {
            return Flow::Wait(wait);
        }
        if from != From::Main {
            self.stack.pop();
        }
        match got {
            Got::Record(record) => {
                if from == From::Command {
                    self.count(NR);
                }
                if keep {
                    self.line = Value::Input(record.into());
                } else {
                    self.set_record(record.into());
                }
                self.push_number(1.0);
            }
            Got::End => self.push_number(0.0),
            Got::Failed | Got::Wait(_) => self.push_number(-1.0),
        }
        Flow::Go
    }
}
