//! Arithmetic in settings: `15*60*1000`.

/// Deeper nesting than anybody writes by hand; it keeps a setting from exhausting the stack.
const MAX_DEPTH: usize = 64;

/// `LibreChat`'s `math()`: numbers with decimals, `+ - * / %` and parentheses. `None` where the text is no such
/// expression. `%` is the remainder with the sign of the divisor, and division by zero is infinite, as there.
#[must_use]
pub fn math(expression: &str) -> Option<f64> {
    let mut parser = Parser {
        rest: expression.trim_start(),
        depth: 0,
    };
    let value = parser.sum()?;
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    /// Takes the next character if it is one of `wanted`, and the whitespace after it.
    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let found = self.rest.chars().next().filter(|c| wanted.contains(c))?;
        self.rest = self.rest[found.len_utf8()..].trim_start();
        Some(found)
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(&['+', '-']) {
            let right = self.product()?;
            value = if operator == '+' {
                value + right
            } else {
                value - right
            };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.signed()?;
        while let Some(operator) = self.take(&['*', '/', '%']) {
            let right = self.signed()?;
            value = match operator {
                '*' => value * right,
                '/' => value / right,
                _ if right == 0.0 => value,
                _ => value - right * (value / right).floor(),
            };
        }
        Some(value)
    }

    fn signed(&mut self) -> Option<f64> {
        let mut sign = 1.0;
        while let Some(operator) = self.take(&['+', '-']) {
            if operator == '-' {
                sign = -sign;
            }
        }
        Some(sign * self.operand()?)
    }

    fn operand(&mut self) -> Option<f64> {
        if self.take(&['(']).is_some() {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let value = self.sum()?;
            self.take(&[')'])?;
            self.depth -= 1;
            return Some(value);
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        // Digits and dots only, so Rust's `inf`, `nan` and exponents cannot get here.
        let value = number.parse().ok()?;
        self.rest = rest.trim_start();
        Some(value)
    }
}

#[cfg(test)]
#[allow(
    clippy::float_cmp,
    reason = "the expected values are exact in binary, or infinite"
)]
mod tests {
    use super::*;

    #[test]
    fn valid() {
        for (expression, value) in [
            ("60000", 60_000.0),
            ("15*60*1000", 900_000.0),
            (" 15 * 60\t* 1000\n", 900_000.0),
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 4 - 3", 3.0),
            ("64 / 4 / 2", 8.0),
            ("7 % 4", 3.0),
            ("-7 % 4", 1.0),
            ("7 % -4", -1.0),
            ("7 % 0", 7.0),
            ("2 * -3", -6.0),
            ("--3", 3.0),
            ("1.5 * 2", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("((((8))))", 8.0),
            ("1 / 0", f64::INFINITY),
        ] {
            assert_eq!(math(expression), Some(value), "{expression:?}");
        }
    }

    #[test]
    fn invalid() {
        let nested = "(".repeat(100_000);
        for expression in [
            "", " ", "abc", "1e3", "0x10", "1 2", "1..2", ".", "1 +", "* 2", "(1", "1)", "()",
            "5%", "1,000", "inf", "NaN", "1_000", "٣", &nested,
        ] {
            assert_eq!(math(expression), None, "{expression:?}");
        }
    }
}
