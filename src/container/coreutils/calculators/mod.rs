//! `bc`, `dc`, `factor`.

mod bc;
mod dc;
mod number;

use super::lines::{Gather, Gathered};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::text::{decode, encode, push};

/// `bc`
pub(super) fn bc(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "lqswi",
        long: &[("mathlib", 'l'), ("quiet", 'q'), ("standard", 's'), ("warn", 'w')],
        usage: "[-sqlw] [FILE]...",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut inputs: Vec<Str> = options.operands.clone();
    inputs.push("-".into());
    let gather = Gather::new(call.name, options, calculate);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), inputs)
}

fn calculate(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let mut bc = bc::Bc::new(tool.options.has('l'));
    let mut text = decode(&tool.joined());
    text.push('\n');
    let end = bc.run(&text);
    sys.heavy_work(bc.out.len() / 64);
    sys.out(&encode(&bc.out));
    match end {
        Ok(_) => u8::from(tool.failed),
        Err(why) => {
            sys.flush();
            tool.err(sys, &why);
            1
        }
    }
}

/// `dc`
pub(super) fn dc(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "e:f:x",
        long: &[("expression", 'e'), ("file", 'f')],
        usage: "[-x] [-eSCRIPT]... [-fFILE]... [FILE]...",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut inputs: Vec<Str> = options.values('f').cloned().collect();
    inputs.extend(options.operands.iter().cloned());
    if inputs.is_empty() && options.has('e') {
        inputs.push("/dev/null".into());
    }
    let gather = Gather::new(call.name, options, |tool, sys| {
        let mut dc = dc::Dc::new();
        let mut programs: Vec<String> = tool.options.values('e').map(ToString::to_string).collect();
        programs.push(decode(&tool.joined()));
        for program in programs {
            if dc.run(&program, 0) == dc::End::Quit {
                break;
            }
        }
        sys.out(&encode(&dc.out));
        sys.flush();
        sys.err(&dc.errors);
        u8::from(tool.failed || !dc.errors.is_empty())
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), inputs)
}

/// `factor`
pub(super) fn factor(call: &mut Call<'_, '_, '_>) -> Begun {
    let words: Vec<Str> = call.args.to_vec();
    if words.is_empty() {
        let gather = Gather::new(call.name, super::options::Options::default(), |tool, sys| {
            let text = decode(&tool.joined());
            let (mut status, mut divisions) = (0, MAX_DIVISIONS);
            for word in text.split_whitespace() {
                status |= factor_one(sys, word, &mut divisions);
            }
            status
        });
        return Begun::filter(AnyFilter::Gather(Box::new(gather)), Vec::new());
    }
    let (mut status, mut divisions) = (0, MAX_DIVISIONS);
    for word in &words {
        status |= factor_one(call.sys, word, &mut divisions);
    }
    Begun::Exit(status)
}

fn factor_one(sys: &mut Sys<'_, '_>, word: &str, divisions: &mut u64) -> u8 {
    let Ok(number) = word.parse::<u64>() else {
        sys.flush();
        sys.err(&format!("factor: invalid number '{word}'\n"));
        return 1;
    };
    let mut line = format!("{number}:");
    let before = *divisions;
    let Some(all) = factors(number, divisions) else {
        sys.flush();
        sys.err(&format!("factor: {number}: more than {MAX_DIVISIONS} divisions\n"));
        return 1;
    };
    sys.heavy_work(usize::try_from((before - *divisions) / 64).unwrap_or(0));
    for factor in all {
        push(&mut line, format_args!(" {factor}"));
    }
    line.push('\n');
    sys.out(line.as_bytes());
    0
}

/// Divisions of one call.
const MAX_DIVISIONS: u64 = 1 << 24;

/// The prime factors of a number; `None` where finding them takes more than the divisions that are left.
fn factors(mut number: u64, divisions: &mut u64) -> Option<Vec<u64>> {
    let mut out = Vec::new();
    let mut divisor = 2u64;
    while divisor.checked_mul(divisor).is_some_and(|square| square <= number) {
        *divisions = divisions.checked_sub(1)?;
        while number.is_multiple_of(divisor) {
            out.push(divisor);
            number /= divisor;
        }
        divisor += if divisor == 2 { 1 } else { 2 };
    }
    if number > 1 {
        out.push(number);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_prime_factors() {
        let of = |n| factors(n, &mut 100_000);
        assert_eq!(of(12), Some(vec![2, 2, 3]));
        assert_eq!(of(97), Some(vec![97]));
        assert_eq!(of(1), Some(Vec::new()));
        assert_eq!(of(4_294_967_291 * 3), Some(vec![3, 4_294_967_291]));
        assert_eq!(of(u64::MAX - 58), None);
    }
}
