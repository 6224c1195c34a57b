//! `echo`, as a program and for the shells' own.

use super::{Begun, Call};
use crate::base::Str;
use crate::container::shell::escapes;
use crate::container::text::encode;

/// What `echo` writes.
pub(crate) fn render(words: &[Str], bash: bool) -> Vec<u8> {
    let mut newline = true;
    let mut escapes_on = false;
    let mut rest = words;
    while let Some(option) = rest.first() {
        let letters = option.strip_prefix('-').unwrap_or("");
        if letters.is_empty() || !letters.chars().all(|c| matches!(c, 'n' | 'e' | 'E')) {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                'e' => escapes_on = true,
                _ => escapes_on = false,
            }
        }
        rest = &rest[1..];
    }
    let mut out = String::new();
    for (i, word) in rest.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if escapes_on {
            let done = escapes::echo(word, !bash, bash);
            out.push_str(&done.text);
            if done.stop {
                return encode(&out);
            }
        } else {
            out.push_str(word);
        }
    }
    if newline {
        out.push('\n');
    }
    encode(&out)
}

/// `echo`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let bytes = render(call.args, false);
    call.sys.out(&bytes);
    Begun::Exit(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], want: &str) {
        let words: Vec<Str> = words.iter().map(|&w| w.into()).collect();
        assert_eq!(String::from_utf8(render(&words, false)).unwrap(), want);
    }

    #[test]
    fn options_count_only_at_the_front_and_when_all_letters_do() {
        check(&["-n", "a"], "a");
        check(&["-ne", "a\\n"], "a\n");
        check(&["-x", "a"], "-x a\n");
        check(&["a", "-n"], "a -n\n");
        check(&["-", "a"], "- a\n");
        check(&["-e", "one\\ctwo", "x"], "one");
    }
}
