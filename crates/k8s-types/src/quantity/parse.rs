//! Reading a quantity: the parts of the text, the number they make, and whether the text is kept.

use super::{Format, NANO, Quantity, QuantityError, divide_away_from_zero};

/// The digits that a number of 64 bits may have; more are read another way.
const SHORT: usize = 19;

/// A text's parts.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    suffix: &'a str,
}

/// What a suffix stands for.
enum Unit {
    /// `10^exponent`, and how it is written.
    Decimal(i32, Format),
    /// `2^exponent`.
    Binary(u32),
}

/// Reads a text, and tells whether it is canonical as it stands.
pub(super) fn parse(text: &str) -> Result<(Quantity, bool), QuantityError> {
    let parts = split(text)?;
    match unit(parts.suffix)? {
        Unit::Decimal(exponent, format) => decimal(text, &parts, exponent, format),
        Unit::Binary(exponent) => Ok(binary(text, &parts, exponent)),
    }
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Form);
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, rest) = digits(rest.trim_start_matches('0'));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    // letters of units, a sign, digits
    let tail = suffix.trim_start_matches(|it| "eEinumkKMGTP".contains(it));
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    if tail.bytes().all(|it| it.is_ascii_digit()) {
        Ok(Parts { negative, whole, fraction, suffix })
    } else {
        Err(QuantityError::Form)
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|it| !it.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn unit(suffix: &str) -> Result<Unit, QuantityError> {
    let decimal = |exponent| Unit::Decimal(exponent, Format::DecimalSi);
    Ok(match suffix {
        "" => decimal(0),
        "m" => decimal(-3),
        "Mi" => Unit::Binary(20),
        "Gi" => Unit::Binary(30),
        "Ki" => Unit::Binary(10),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ti" => Unit::Binary(40),
        "Pi" => Unit::Binary(50),
        "Ei" => Unit::Binary(60),
        other => {
            let exponent = other.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            Unit::Decimal(exponent.parse().map_err(|_| QuantityError::Suffix)?, Format::DecimalExponent)
        }
    })
}

fn decimal(text: &str, parts: &Parts<'_>, exponent: i32, format: Format) -> Result<(Quantity, bool), QuantityError> {
    let places = i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
    let scale = exponent.saturating_sub(places);
    let length = parts.whole.len().max(1) + parts.fraction.len();
    let (coefficient, scale) = read(parts, scale);
    // as many digits as 64 bits have at most, but not all such numbers fit
    if length <= SHORT && scale >= NANO && i64::try_from(coefficient).is_ok() {
        let kept = scale % 3 == 0 && !parts.whole.is_empty() && !ends_with_thousand(parts);
        let text = (kept && is_unusual(text, format)).then(|| text.into());
        return Ok((Quantity { coefficient: signed(parts, coefficient), scale, format, text }, kept));
    }
    let (coefficient, scale) = if scale < NANO { (round(coefficient, scale), NANO) } else { (coefficient, scale) };
    Ok((Quantity::scaled(signed(parts, coefficient), scale, format), false))
}

/// The digits as a number. What is more than can be held is cut off and rounded up.
fn read(parts: &Parts<'_>, scale: i32) -> (i128, i32) {
    const LIMIT: i128 = 10i128.pow(37);
    let (mut coefficient, mut scale, mut rest) = (0i128, scale, false);
    for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
        let digit = i128::from(digit - b'0');
        if coefficient < LIMIT {
            coefficient = coefficient * 10 + digit;
        } else {
            scale = scale.saturating_add(1);
            rest |= digit != 0;
        }
    }
    (coefficient + i128::from(rest), scale)
}

fn round(coefficient: i128, scale: i32) -> i128 {
    divide_away_from_zero(coefficient, i64::from(NANO) - i64::from(scale)).0
}

fn signed(parts: &Parts<'_>, coefficient: i128) -> i128 {
    if parts.negative { -coefficient } else { coefficient }
}

fn ends_with_thousand(parts: &Parts<'_>) -> bool {
    let digits = parts.whole.bytes().chain(parts.fraction.bytes());
    parts.whole.len() + parts.fraction.len() >= 3 && digits.rev().take(3).all(|it| it == b'0')
}

/// Whether a text that is kept may differ from what would be made from its number.
fn is_unusual(text: &str, format: Format) -> bool {
    format == Format::DecimalExponent
        || text.contains(['+', '.'])
        || text.strip_prefix('-').unwrap_or(text).starts_with('0')
}

fn binary(text: &str, parts: &Parts<'_>, exponent: u32) -> (Quantity, bool) {
    /// Digits of a fraction that are looked at: with the largest unit, what fits.
    const PLACES: usize = 20;
    const MAX: i128 = i64::MAX as i128;
    const BILLION: i128 = 10i128.pow(9);

    let unit = 1i128 << exponent;
    let whole = if parts.whole.len() <= SHORT { number(parts.whole) * unit } else { MAX + 1 };
    let (near, far) = parts.fraction.split_at_checked(PLACES).unwrap_or((parts.fraction, ""));
    let near_places = i32::try_from(near.len()).unwrap_or(0);
    let rest = far.bytes().any(|it| it != b'0');
    let nanos = if near_places <= -NANO {
        number(near) * unit * 10i128.pow((-NANO - near_places).unsigned_abs())
    } else {
        round(number(near) * unit + i128::from(rest), -near_places)
    };
    let value = if whole > MAX { MAX * BILLION } else { (whole * BILLION + nanos).min(MAX * BILLION) };
    if value % BILLION == 0 {
        let plain = parts.fraction.is_empty() && has_room(parts, exponent) && number(parts.whole) % 8 != 0;
        let text = (plain && is_unusual(text, Format::BinarySi)).then(|| text.into());
        let coefficient = signed(parts, value / BILLION);
        return (Quantity { coefficient, scale: 0, format: Format::BinarySi, text }, plain);
    }
    let format = if value < BILLION { Format::DecimalSi } else { Format::BinarySi };
    (Quantity::scaled(signed(parts, value), NANO, format), false)
}

/// Whether a whole number of units surely fits 64 bits; only then its text may be kept.
fn has_room(parts: &Parts<'_>, exponent: u32) -> bool {
    parts.whole.len().max(1) as u32 + exponent * 3 / 10 < 15
}

/// A number of few digits.
fn number(digits: &str) -> i128 {
    digits.bytes().fold(0, |it, digit| it * 10 + i128::from(digit - b'0'))
}
