//! Members of an object, by names that are known.

use super::value::Value;

/// Names of properties. The address of a list stands for it: the array that it has once become is kept.
pub type Names = &'static [&'static str];

/// The values of members of an object that are neither `undefined` nor `null`.
#[derive(Clone)]
pub struct MemberValues<'env> {
    present: Present,
    /// In the order of the names.
    found: Vec<Value<'env>>,
}

impl<'env> MemberValues<'env> {
    /// `found` has two numbers first, of 32 bits each. It is empty where no member is there.
    pub fn new(names: Names, mut found: Vec<Value<'env>>) -> Self {
        debug_assert!(names.len() <= 64, "there are 64 bits");
        let halves = found.drain(..found.len().min(2)).map(bits_of);
        let bits = halves.rev().fold(0, |bits, half| bits << 32 | half);
        let present = Present { names, bits };
        Self { present, found }
    }

    pub fn get(&self, name: &str) -> Option<Value<'env>> {
        let index = self.present.index(name)?;
        let before = self.present.bits & ((1 << index) - 1);
        self.found.get(before.count_ones() as usize).copied()
    }
}

/// Which members an object has.
#[derive(Clone, Copy)]
pub struct Present {
    names: Names,
    bits: u64,
}

impl Present {
    /// The bits are a number.
    pub fn new(names: Names, bits: Value<'_>) -> Self {
        debug_assert!(names.len() <= 53, "a number has 53 bits");
        let bits = bits_of(bits);
        Self { names, bits }
    }

    fn index(self, name: &str) -> Option<usize> {
        let index = self.names.iter().position(|known| *known == name);
        index.filter(|index| self.bits >> index & 1 == 1)
    }

    pub fn has(self, name: &str) -> bool {
        self.index(name).is_some()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of powers of two below 2^53"
)]
fn bits_of(number: Value<'_>) -> u64 {
    number.as_number().unwrap_or_default() as u64
}
