//! Rust names for names in service models.

/// Words of the language that a member may be called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "false", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// `VpcId` -> `vpc_id`, `PolicyARNs` -> `policy_arns`, `type` -> `r#type`.
pub fn field(member: &str) -> String {
    let snake = snake(member);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// `describeFoo` -> `DescribeFoo`.
pub fn pascal(shape: &str) -> String {
    let mut chars = shape.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, &c) in chars.iter().enumerate() {
        if c.is_ascii_uppercase() && i > 0 && starts_word(&chars, i) && !out.ends_with('_') {
            out.push('_');
        }
        out.push(if c == '-' { '_' } else { c.to_ascii_lowercase() });
    }
    out
}

/// Whether the capital at `i` starts a word: after a small letter or digit, or as the last capital of a run that
/// a small letter follows, unless that letter is only the plural of an acronym (`ARNs`).
fn starts_word(chars: &[char], i: usize) -> bool {
    if !chars[i - 1].is_ascii_uppercase() {
        return true;
    }
    let Some(next) = chars.get(i + 1) else { return false };
    let plural = *next == 's' && chars.get(i + 2).is_none_or(char::is_ascii_uppercase);
    next.is_ascii_lowercase() && !plural
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_become_snake_case() {
        for (member, expected) in [
            ("VpcId", "vpc_id"),
            ("PolicyARNs", "policy_arns"),
            ("Ipv6CidrBlock", "ipv6_cidr_block"),
            ("resourcesVpcConfig", "resources_vpc_config"),
            ("type", "r#type"),
            ("Return", "r#return"),
            ("SAMLProviderArn", "saml_provider_arn"),
            ("EnaSrdUdpSpecification", "ena_srd_udp_specification"),
        ] {
            assert_eq!(field(member), expected);
        }
    }

    #[test]
    fn shapes_start_with_a_capital() {
        assert_eq!(pascal("accessDetail"), "AccessDetail");
        assert_eq!(pascal(""), "");
    }
}
