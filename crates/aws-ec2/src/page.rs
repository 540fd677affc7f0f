//! Pages of an answer. A token holds the last key that was shown, so that pages neither lose nor repeat what was
//! there all the time, whatever comes or goes between two calls.

use crate::error::{Result, invalid};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bounds of `MaxResults`, from the *EC2 API Reference*.
const MAX_RESULTS: std::ops::RangeInclusive<i32> = 5..=1000;

/// One page of `items` (sorted by their keys here) and the token of the next one.
pub(crate) fn page<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
    max: Option<i32>,
    token: &Option<String>,
) -> Result<(Vec<T>, Option<String>)> {
    if let Some(max) = max
        && !MAX_RESULTS.contains(&max)
    {
        let bound = if max < 5 { "greater than 5" } else { "less than 1000" };
        return Err(invalid(format!(
            "Value ( {max} ) for parameter maxResults is invalid. Expecting a value {bound}."
        )));
    }
    items.sort_by_cached_key(&key);
    if let Some(token) = token.as_deref().filter(|it| !it.is_empty()) {
        let last = parse(token)?;
        items.retain(|item| key(item) > last);
    }
    let Some(max) = max.and_then(|max| usize::try_from(max).ok()).filter(|max| *max < items.len()) else {
        return Ok((items, None));
    };
    items.truncate(max);
    let next = items.last().map(|item| URL_SAFE_NO_PAD.encode(format!("1:{}", key(item))));
    Ok((items, next))
}

fn parse(token: &str) -> Result<String> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let last = text.as_deref().and_then(|text| text.strip_prefix("1:")).map(str::to_owned);
    last.ok_or_else(|| invalid(format!("The specified value ({token}) for parameter nextToken is invalid.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_everything_once() {
        let items: Vec<u32> = (100..117).collect();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let (shown, next) = page(items.clone(), u32::to_string, Some(5), &token).unwrap();
            assert!(shown.len() <= 5);
            seen.extend(shown);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
    }

    #[test]
    fn bad_sizes_and_tokens_are_refused() {
        assert!(page(vec![1], i32::to_string, Some(4), &None).is_err());
        assert!(page(vec![1], i32::to_string, Some(1001), &None).is_err());
        assert!(page(vec![1], i32::to_string, None, &Some("nonsense".into())).is_err());
        assert_eq!(page(vec![2, 1], i32::to_string, None, &None).unwrap(), (vec![1, 2], None));
    }
}
