//! JSON in its canonical form (RFC 8785, JCS): the same data is the same text, whoever wrote it.

use crate::nesting::{MAX_NESTING, is_deeper};

/// `None` for what has no canonical form: a name twice in one object, half of a surrogate pair, a number that is too large
/// for a double, or more levels than anybody reads. `json` is valid JSON.
#[must_use]
pub fn canonical(json: &str) -> Option<String> {
    // A tool's schema may have all the levels.
    if is_deeper(json, MAX_NESTING + 1) {
        return None;
    }
    let mut reader = Reader { json, at: 0 };
    let mut text = String::with_capacity(json.len());
    reader.value(&mut text)?;
    reader.space();
    (reader.at == json.len()).then_some(text)
}

struct Reader<'a> {
    json: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    /// Whether the next mark is this one, which is then behind.
    fn passes(&mut self, mark: u8) -> bool {
        self.space();
        let is_next = self.peek() == Some(mark);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, text: &mut String) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.object(text),
            b'[' => self.array(text),
            b'"' => {
                push_string(text, &self.string()?);
                Some(())
            }
            _ => self.word(text),
        }
    }

    fn array(&mut self, text: &mut String) -> Option<()> {
        self.at += 1;
        text.push('[');
        if !self.passes(b']') {
            loop {
                self.value(text)?;
                if self.passes(b']') {
                    break;
                }
                self.passes(b',').then_some(())?;
                text.push(',');
            }
        }
        text.push(']');
        Some(())
    }

    fn object(&mut self, text: &mut String) -> Option<()> {
        self.at += 1;
        let mut members: Vec<(String, String)> = Vec::new();
        if !self.passes(b'}') {
            loop {
                self.space();
                let name = self.string()?;
                self.passes(b':').then_some(())?;
                let mut value = String::new();
                self.value(&mut value)?;
                members.push((name, value));
                if self.passes(b'}') {
                    break;
                }
                self.passes(b',').then_some(())?;
            }
        }
        members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        text.push('{');
        for (index, (name, value)) in members.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            push_string(text, name);
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let (from, bytes) = (self.at, self.json.as_bytes());
        (self.peek() == Some(b'"')).then_some(())?;
        self.at += 1;
        while *bytes.get(self.at)? != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.json.get(from..self.at)?).ok()
    }

    /// A number, or one of JSON's three words.
    fn word(&mut self, text: &mut String) -> Option<()> {
        let from = self.at;
        while matches!(
            self.peek(),
            Some(b'a'..=b'z' | b'0'..=b'9' | b'E' | b'+' | b'-' | b'.')
        ) {
            self.at += 1;
        }
        match self.json.get(from..self.at)? {
            word @ ("true" | "false" | "null") => text.push_str(word),
            number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                let value: f64 = number.parse().ok()?;
                value.is_finite().then(|| push_number(text, value))?;
            }
            _ => return None,
        }
        Some(())
    }
}

/// Escapes what has to be escaped, and nothing else, as `serde_json` does.
fn push_string(text: &mut String, string: &str) {
    text.push_str(&serde_json::to_string(string).unwrap_or_default());
}

/// As `ECMAScript` writes a finite number (`Number::toString`).
fn push_number(text: &mut String, value: f64) {
    if value == 0.0 {
        text.push('0');
        return;
    }
    if value < 0.0 {
        text.push('-');
    }
    let scientific = shortest(value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    // The point is behind so many of the digits.
    let point = exponent.parse::<i32>().unwrap_or_default() + 1;
    let zeros = |text: &mut String, count: i32| (0..count).for_each(|_| text.push('0'));
    let length = i32::try_from(digits.len()).unwrap_or_default();
    if (length..=21).contains(&point) {
        text.push_str(&digits);
        zeros(text, point - length);
    } else if (1..=21).contains(&point) {
        let (whole, rest) = digits.split_at(point.unsigned_abs() as usize);
        text.push_str(whole);
        text.push('.');
        text.push_str(rest);
    } else if (-5..=0).contains(&point) {
        text.push_str("0.");
        zeros(text, -point);
        text.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        text.push_str(first);
        if !rest.is_empty() {
            text.push('.');
            text.push_str(rest);
        }
        text.push_str(if point > 0 { "e+" } else { "e-" });
        text.push_str(&(point - 1).unsigned_abs().to_string());
    }
}

/// As few digits as tell the number from all others, in scientific notation. Of two texts that are as close to it the even one
/// counts, which is not always Rust's.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa.len().saturating_sub("0.".len());
    let rounded = format!("{value:.decimals$e}");
    if rounded.parse() == Ok(value) {
        rounded
    } else {
        shortest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8785, section 3.2.2 to 3.2.4 and appendix B.
    #[test]
    fn vectors_of_the_rfc() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\
            \"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(input).as_deref(), Some(expected));
        let input = r#"{ "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis" }"#;
        let sorted = canonical(input).unwrap();
        let order = ["\\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"];
        let places = order.map(|name| sorted.find(&format!("\"{name}\":")).unwrap());
        assert!(places.is_sorted(), "{sorted}");
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
            (0xc311_4e3f_771d_5f69, "-1217777273100250.2"),
        ] {
            let mut written = String::new();
            push_number(&mut written, f64::from_bits(bits));
            assert_eq!(written, text);
        }
    }

    #[test]
    fn what_has_no_canonical_form() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"[{"a":1,"\u0061":2}]"#,
            r#""\ud800""#,
            "1e400",
            &format!("{}{}", "[".repeat(600), "]".repeat(600)),
            "[1] 2",
            "[1,]",
            "{\"a\"}",
            "inf",
            "",
        ] {
            assert_eq!(canonical(json), None, "{json}");
        }
        assert_eq!(canonical(" [ ] ").as_deref(), Some("[]"));
        assert_eq!(canonical("{ }").as_deref(), Some("{}"));
        // The same number, written in another way.
        assert_eq!(canonical("[1.0,1e0,-0]").as_deref(), Some("[1,1,0]"));
    }
}
