//! File modes as `chmod`, `mkdir -m` and `umask` read them: `755`, `u+x`, `go-w`, `a=rX`.

/// The mode that `text` makes of `mode`; `None` when it cannot be read. `X` looks at `is_dir`, a
/// missing class at the umask.
pub(crate) fn apply(text: &str, mode: u16, is_dir: bool, umask: u16) -> Option<u16> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return u16::from_str_radix(text, 8).ok().filter(|m| *m <= 0o7777);
    }
    let mut mode = mode;
    for clause in text.split(',') {
        mode = apply_clause(clause, mode, is_dir, umask)?;
    }
    Some(mode)
}

fn apply_clause(clause: &str, mode: u16, is_dir: bool, umask: u16) -> Option<u16> {
    let mut rest = clause;
    let mut who = 0u16;
    while let Some(c) = rest.chars().next() {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => break,
        };
        rest = &rest[1..];
    }
    let masked = who == 0;
    if masked {
        who = 0o7777 & !umask;
    }
    let mut mode = mode;
    if rest.is_empty() {
        return None;
    }
    while let Some(op) = rest.chars().next() {
        if !matches!(op, '+' | '-' | '=') {
            return None;
        }
        rest = &rest[1..];
        let mut bits = 0u16;
        while let Some(c) = rest.chars().next() {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_dir || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                'u' => spread(mode >> 6),
                'g' => spread(mode >> 3),
                'o' => spread(mode),
                '+' | '-' | '=' => break,
                _ => return None,
            };
            rest = &rest[1..];
        }
        let bits = bits & who;
        mode = match op {
            '+' => mode | bits,
            '-' => mode & !bits,
            // What is set anew loses its set-id bits; only `t` itself touches the sticky one.
            _ => mode & !(if masked { 0o777 } else { who & 0o6777 }) | bits,
        };
    }
    Some(mode)
}

/// The three bits of one class for all classes.
const fn spread(bits: u16) -> u16 {
    let b = bits & 7;
    b << 6 | b << 3 | b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_or_symbolic() {
        assert_eq!(apply("755", 0, false, 0), Some(0o755));
        assert_eq!(apply("999", 0, false, 0), None);
        assert_eq!(apply("u+x", 0o644, false, 0), Some(0o744));
        assert_eq!(apply("go-r,u=rwx", 0o644, false, 0), Some(0o700));
        assert_eq!(apply("+x", 0o644, false, 0o022), Some(0o755));
        assert_eq!(apply("a+X", 0o644, true, 0), Some(0o755));
        assert_eq!(apply("a=r", 0o4755, false, 0), Some(0o444));
        assert_eq!(apply("z+x", 0o644, false, 0), None);
    }
}
