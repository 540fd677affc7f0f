//! Resource quantities: `100m`, `1.5Gi`, `2e3`.
//!
//! A quantity is a decimal number that remembers in which family of suffixes it was written. What is written back is
//! its canonical form: no fraction, the largest suffix of its family that leaves a whole number. Numbers below a
//! billionth are rounded away from zero, as if asking for something could not mean asking for nothing.

use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

mod parse;

/// The exponent of a billionth: nothing finer is kept.
pub const NANO: i32 = -9;
/// The exponent of a thousandth.
pub const MILLI: i32 = -3;

/// Which suffixes a quantity is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `Ki`, `Mi`, …: powers of 1024.
    BinarySi,
    /// `n`, `u`, `m`, none, `k`, `M`, …: powers of 1000.
    DecimalSi,
    /// `e3`, `e6`, …
    DecimalExponent,
}

/// Why a text is no quantity; the texts are those that API servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It has not the form of one.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Form,
    /// No unit has this suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// A quantity: `coefficient * 10^scale`. Equality and order are those of the numbers, whatever the suffixes.
///
/// Exact for up to 38 digits; beyond, it is rounded away from zero.
#[derive(Debug, Clone)]
pub struct Quantity {
    coefficient: i128,
    scale: i32,
    format: Format,
    /// How it was written, where that passes for canonical without being what would be made from the number
    /// (`1.500`, `+5`, `1E3`): such texts are handed back as they came.
    text: Option<Box<str>>,
}

impl Quantity {
    /// Nothing at all.
    pub const ZERO: Self = Self { coefficient: 0, scale: 0, format: Format::DecimalSi, text: None };

    /// A whole number.
    pub fn new(value: i64, format: Format) -> Self {
        Self::scaled(i128::from(value), 0, format)
    }

    /// Thousandths.
    pub fn milli(value: i64, format: Format) -> Self {
        Self::scaled(i128::from(value), MILLI, format)
    }

    /// `coefficient * 10^scale`.
    pub fn scaled(coefficient: i128, scale: i32, format: Format) -> Self {
        Self { coefficient, scale, format, text: None }
    }

    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text).map(|(quantity, _)| quantity)
    }

    /// Reads a field of an object: text, with space around it if need be, or a number. `null` is zero.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::ZERO),
            _ => Err(QuantityError::Form),
        }
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        self.coefficient.signum() as i32
    }

    /// In units, rounded away from zero, and to the nearest that a signed 64-bit number can hold.
    pub fn value(&self) -> i64 {
        to_i64(self.scaled_value(0))
    }

    /// In thousandths, rounded away from zero, and to the nearest that a signed 64-bit number can hold.
    pub fn milli_value(&self) -> i64 {
        to_i64(self.scaled_value(MILLI))
    }

    /// In units of `10^scale`, rounded away from zero, and to the nearest that the answer can hold.
    pub fn scaled_value(&self, scale: i32) -> i128 {
        let shift = i64::from(self.scale) - i64::from(scale);
        if shift < 0 {
            return divide_away_from_zero(self.coefficient, -shift).0;
        }
        let limit = if self.coefficient < 0 { i128::MIN } else { i128::MAX };
        multiply(self.coefficient, shift).unwrap_or(limit)
    }

    /// In units, where it is a whole number that a signed 64-bit number can hold.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(self.whole()?).ok()
    }

    /// The nearest floating point number, or thereabouts.
    pub fn to_f64(&self) -> f64 {
        self.coefficient as f64 * 10f64.powi(self.scale)
    }

    /// Rounds away from zero to a multiple of `10^scale`; whether that changed nothing.
    pub fn round_up(&mut self, scale: i32) -> bool {
        if self.scale >= scale {
            return true;
        }
        let (coefficient, exact) = divide_away_from_zero(self.coefficient, i64::from(scale) - i64::from(self.scale));
        *self = Self::scaled(coefficient, scale, self.format);
        exact
    }

    /// Adds another. Nothing takes the format of what is added to it.
    pub fn add(&mut self, other: &Self) {
        self.combine(other.coefficient, other);
    }

    /// Subtracts another. Nothing takes the format of what is subtracted from it.
    pub fn sub(&mut self, other: &Self) {
        self.combine(other.coefficient.saturating_neg(), other);
    }

    /// The same with the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self::scaled(self.coefficient.saturating_neg(), self.scale, self.format)
    }

    fn combine(&mut self, coefficient: i128, other: &Self) {
        let format = if self.is_zero() { other.format } else { self.format };
        let (coefficient, scale) = sum((self.coefficient, self.scale), (coefficient, other.scale));
        *self = Self::scaled(coefficient, scale, format);
    }

    /// As a whole number of units, if it is one.
    fn whole(&self) -> Option<i128> {
        if self.scale >= 0 {
            return multiply(self.coefficient, i64::from(self.scale));
        }
        let (whole, exact) = divide_away_from_zero(self.coefficient, -i64::from(self.scale));
        exact.then_some(whole)
    }

    /// How many digits it has before the point; zero or less for a fraction.
    fn magnitude(&self) -> i64 {
        i64::from(self.coefficient.unsigned_abs().checked_ilog10().unwrap_or(0)) + i64::from(self.scale)
    }

    fn write_decimal(&self, f: &mut fmt::Formatter<'_>, exponential: bool) -> fmt::Result {
        let (mut digits, mut exponent) = without_zeros(self.coefficient, self.scale);
        let above = exponent.rem_euclid(3);
        let (Some(aligned), true) = (multiply(digits, i64::from(above)), exponent >= i32::MIN + 2) else {
            return write!(f, "{digits}e{exponent}");
        };
        (digits, exponent) = (aligned, exponent - above);
        if exponential {
            return if exponent == 0 { write!(f, "{digits}") } else { write!(f, "{digits}e{exponent}") };
        }
        if exponent > EXA {
            match multiply(digits, i64::from(exponent) - i64::from(EXA)) {
                Some(it) => (digits, exponent) = (it, EXA),
                None => return write!(f, "{digits}e{exponent}"),
            }
        }
        match DECIMAL.iter().find(|(_, it)| *it == exponent) {
            Some((suffix, _)) => write!(f, "{digits}{suffix}"),
            None => write!(f, "{digits}e{exponent}"),
        }
    }
}

impl fmt::Display for Quantity {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        match self.format {
            Format::DecimalSi => self.write_decimal(f, false),
            Format::DecimalExponent => self.write_decimal(f, true),
            Format::BinarySi => match self.whole() {
                // what is small is exact in decimal, and what is no whole number would lose something
                Some(whole) if whole.unsigned_abs() >= 1024 => write_binary(f, whole),
                _ => self.write_decimal(f, false),
            },
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.signum().cmp(&other.signum());
        if signs != Ordering::Equal || self.is_zero() {
            return signs;
        }
        if self.scale == other.scale {
            return self.coefficient.cmp(&other.coefficient);
        }
        let magnitudes = self.magnitude().cmp(&other.magnitude());
        if magnitudes != Ordering::Equal {
            return if self.coefficient < 0 { magnitudes.reverse() } else { magnitudes };
        }
        // the same number of digits before the point, so the difference of the scales is small
        if self.scale > other.scale { compare_scaled(self, other) } else { compare_scaled(other, self).reverse() }
    }
}

/// A text in canonical form, or what is wrong with it; borrowed where it was in canonical form already.
pub fn canonical(text: &str) -> Result<Cow<'_, str>, QuantityError> {
    let (quantity, is_canonical) = parse::parse(text)?;
    if is_canonical {
        return Ok(Cow::Borrowed(text));
    }
    let written = quantity.to_string();
    Ok(if written == text { Cow::Borrowed(text) } else { Cow::Owned(written) })
}

/// Suffixes and their powers of ten.
const DECIMAL: [(&str, i32); 10] =
    [("", 0), ("m", MILLI), ("u", -6), ("n", NANO), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", EXA)];
const EXA: i32 = 18;

/// Suffixes, each for 1024 times the one before.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

fn write_binary(f: &mut fmt::Formatter<'_>, whole: i128) -> fmt::Result {
    let (mut digits, mut suffix) = (whole, "");
    for next in BINARY {
        if digits % 1024 != 0 {
            break;
        }
        (digits, suffix) = (digits / 1024, next);
    }
    write!(f, "{digits}{suffix}")
}

fn to_i64(it: i128) -> i64 {
    let limit = if it < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(it).unwrap_or(limit)
}

/// `10^exponent`, where it can be held.
fn power(exponent: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

fn multiply(coefficient: i128, exponent: i64) -> Option<i128> {
    if coefficient == 0 {
        return Some(0);
    }
    coefficient.checked_mul(power(exponent)?)
}

/// The quotient by `10^exponent`, rounded away from zero, and whether there was nothing to round.
fn divide_away_from_zero(coefficient: i128, exponent: i64) -> (i128, bool) {
    let Some(divisor) = power(exponent) else {
        return (coefficient.signum(), coefficient == 0);
    };
    let (quotient, rest) = (coefficient / divisor, coefficient % divisor);
    (quotient + rest.signum(), rest == 0)
}

/// The same number with no zero at the end of its coefficient.
fn without_zeros(mut coefficient: i128, mut scale: i32) -> (i128, i32) {
    while coefficient != 0 && coefficient % 10 == 0 && scale < i32::MAX {
        (coefficient, scale) = (coefficient / 10, scale + 1);
    }
    (coefficient, scale)
}

/// `high`'s scale is the greater, by less than what a coefficient has digits.
fn compare_scaled(high: &Quantity, low: &Quantity) -> Ordering {
    let Some(unit) = power(i64::from(high.scale) - i64::from(low.scale)) else {
        return Ordering::Equal;
    };
    high.coefficient.cmp(&(low.coefficient / unit)).then(0.cmp(&(low.coefficient % unit)))
}

/// The sum of two decimals at the finer scale, or, where that can't be held, at the finest that can, rounded away from
/// zero.
fn sum(a: (i128, i32), b: (i128, i32)) -> (i128, i32) {
    match (a.0, b.0) {
        (_, 0) => return a,
        (0, _) => return b,
        _ => {}
    }
    let (high, low) = if a.1 >= b.1 { (a, b) } else { (b, a) };
    let mut scale = low.1;
    loop {
        let aligned = multiply(high.0, i64::from(high.1) - i64::from(scale));
        let rounded = divide_away_from_zero(low.0, i64::from(scale) - i64::from(low.1)).0;
        let total = aligned.and_then(|it| it.checked_add(rounded));
        if let Some(it) = total.filter(|it| it.unsigned_abs() < LIMIT) {
            return (it, scale);
        }
        if scale >= high.1 {
            // both at their coarsest: a digit of each must go
            let (x, y) = (divide_away_from_zero(high.0, 1).0, divide_away_from_zero(rounded, 1).0);
            return (x.saturating_add(y), scale.saturating_add(1));
        }
        // jump over what certainly can't be held, then go digit by digit
        scale = scale.saturating_add(1).max(high.1.saturating_sub(DIGITS));
    }
}

/// Digits that every coefficient can have.
const DIGITS: i32 = 38;

/// The first number with more digits.
const LIMIT: u128 = 10u128.pow(DIGITS as u32);

#[cfg(test)]
mod tests;
