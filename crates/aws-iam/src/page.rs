//! Pages of an answer, by marker. A marker holds the last name that was shown.

use crate::error::{Result, invalid};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Items on a page when the caller names no number, and at the most; from the *IAM API Reference*.
const DEFAULT: i32 = 100;
const MOST: i32 = 1000;

/// One page: the items, whether there are more, and the marker of the next page.
pub(crate) struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more.
    pub truncated: bool,
    /// The marker of the next page.
    pub marker: Option<String>,
}

/// One page of `items`, sorted by `key`.
pub(crate) fn page<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
    max: Option<i32>,
    marker: &Option<String>,
) -> Result<Page<T>> {
    let max = max.unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&max) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{max}' at 'maxItems' failed to satisfy constraint: Member must be \
                between 1 and {MOST}"
        )));
    }
    items.sort_by_cached_key(&key);
    if let Some(marker) = marker {
        let text = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let last = text.as_deref().and_then(|text| text.strip_prefix("1:"));
        let last = last.ok_or_else(|| invalid("Invalid Marker."))?.to_owned();
        items.retain(|item| key(item) > last);
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let truncated = items.len() > max;
    items.truncate(max);
    let last = items.last().filter(|_| truncated).map(&key);
    let marker = last.map(|last| URL_SAFE_NO_PAD.encode(format!("1:{last}")));
    Ok(Page { items, truncated, marker })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_show_each_item_once(count in 0usize..40, max in 1i32..9) {
            let items: Vec<String> = (0..count).map(|n| format!("{n:03}")).collect();
            let (mut seen, mut marker) = (Vec::new(), None);
            loop {
                let shown = page(items.clone(), Clone::clone, Some(max), &marker).unwrap();
                seen.extend(shown.items);
                prop_assert_eq!(shown.truncated, shown.marker.is_some());
                marker = shown.marker;
                if marker.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, items);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(page(vec![1], i32::to_string, Some(0), &None).is_err());
        assert!(page(vec![1], i32::to_string, None, &Some("x".into())).is_err());
    }
}
