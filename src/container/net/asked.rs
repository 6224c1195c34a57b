//! What a container asked of the network, kept for whoever wants to know what it waits for.
//!
//! A script that waits for another workload asks again and again, for a name or for a connection. The last
//! answer to each question is kept, for so many questions: what a stuck container last asked in vain is what
//! it waits for.

use std::net::SocketAddr;

use crate::base::Str;
use crate::base::time::SimTime;

/// So many questions of one container are kept.
const KEPT: usize = 16;

/// A question, and the last answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was asked last.
    pub at: SimTime,
    /// What for.
    pub of: Question,
    /// What came of it.
    pub met: Met,
}

/// What the network is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The address of a name, as the program wrote it.
    Name(Str),
    /// A connection.
    Connection(SocketAddr),
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// What was asked for.
    Answer,
    /// There is no such name.
    NoName,
    /// Nobody listens.
    Refused,
    /// Nothing answers.
    Silence,
}

/// Keeps a question with its answer, in the place of the last answer to the same.
pub(crate) fn keep(all: &mut Vec<Asked>, asked: Asked) {
    all.retain(|a| a.of != asked.of);
    if all.len() == KEPT {
        all.remove(0);
    }
    all.push(asked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_to_each_question_is_kept_and_the_oldest_question_goes_first() {
        let mut all = Vec::new();
        let name = |i: usize| Question::Name(format!("host-{i}").into());
        for i in 0..KEPT {
            keep(&mut all, Asked { at: SimTime::ZERO, of: name(i), met: Met::NoName });
        }
        keep(&mut all, Asked { at: SimTime::ZERO, of: name(0), met: Met::Answer });
        keep(&mut all, Asked { at: SimTime::ZERO, of: name(KEPT), met: Met::NoName });
        assert_eq!(all.len(), KEPT);
        assert_eq!(all[0].of, name(2));
        assert_eq!((all[KEPT - 2].of.clone(), all[KEPT - 2].met), (name(0), Met::Answer));
    }
}
