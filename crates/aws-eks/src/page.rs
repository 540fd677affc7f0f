//! Pages of lists: `maxResults` and an opaque `nextToken`.

use crate::error::EksError;

/// Entries of a page when the request does not say, and the most it may say (*Amazon EKS API Reference*, `maxResults`).
const MOST: usize = 100;

/// Cuts a page out of `entries`. A token is the text of the last entry shown, so that a page goes on at the right place
/// also when entries came or went before it; `after` tells where that is: the index of the first entry behind it.
///
/// # Errors
/// For a size out of range or a token that is not ours.
pub fn page<T: AsRef<str>>(
    entries: Vec<T>,
    size: Option<i32>,
    token: Option<&str>,
    after: impl FnOnce(&[T], &str) -> Option<usize>,
) -> Result<(Vec<T>, Option<String>), EksError> {
    let size = match size {
        None => MOST,
        Some(size) => usize::try_from(size).ok().filter(|size| (1..=MOST).contains(size)).ok_or_else(|| {
            EksError::Parameter(format!("maxResults {size} is not valid; it must be between 1 and {MOST}"))
        })?,
    };
    let bad_token = || EksError::Parameter("The nextToken is not valid; start again without one".to_owned());
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => decode(token).and_then(|last| after(&entries, &last)).ok_or_else(bad_token)?,
    };
    let more = entries.len() > start + size;
    let page: Vec<T> = entries.into_iter().skip(start).take(size).collect();
    let next = page.last().filter(|_| more).map(|last| base::hex(last.as_ref().as_bytes()));
    Ok((page, next))
}

/// Where a list in order goes on after `last`, which need not be in it any more.
pub fn by_order<T: AsRef<str>>(entries: &[T], last: &str) -> Option<usize> {
    Some(entries.partition_point(|entry| entry.as_ref() <= last))
}

/// Where a list goes on after `last`, which must be in it.
pub fn by_place<T: AsRef<str>>(entries: &[T], last: &str) -> Option<usize> {
    entries.iter().position(|entry| entry.as_ref() == last).map(|place| place + 1)
}

fn decode(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2))?;
    let bytes: Option<Vec<u8>> = pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_tokens_are_checked() {
        let ask = |size, token| page(vec!["a", "b"], size, token, by_order);
        assert!([Some(0), Some(-1), Some(101)].into_iter().all(|size| ask(size, None).is_err()));
        assert!(["zz", "abc", "ff"].into_iter().all(|token| ask(None, Some(token)).is_err()));
        assert!(page(vec!["a"], None, Some(&base::hex(b"gone")), by_place).is_err());
        assert_eq!(ask(None, Some("")).unwrap(), (vec!["a", "b"], None), "an empty token is none");
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_list(count in 0usize..250, size in 1i32..=100, place: bool) {
            let all: Vec<String> = (0..count).map(|n| format!("c{n:03}")).collect();
            let (mut got, mut token) = (Vec::new(), None::<String>);
            loop {
                let after = if place { by_place::<String> } else { by_order::<String> };
                let (part, next) = page(all.clone(), Some(size), token.as_deref(), after).unwrap();
                prop_assert!(part.len() <= size as usize);
                got.extend(part);
                match next { None => break, next => token = next }
            }
            prop_assert_eq!(got, all);
        }
    }
}
