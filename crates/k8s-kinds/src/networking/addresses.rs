//! ServiceCIDR and IPAddress: the addresses of services.

use crate::checks::{IMMUTABLE, immutable, required};
use crate::kind::{Context, Kind};
use crate::net::{self, Cidr};
use crate::value::{Look, copy_field, set, set_default};
use k8s_types::names::NameRule;
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

const MOST_CIDRS: usize = 2;

/// IPAddress: an address that is taken. It is called as it is written.
pub(crate) struct IpAddress;

/// ServiceCIDR: a block that addresses are taken from.
pub(crate) struct ServiceCidr;

impl Kind for IpAddress {
    fn name_rule(&self) -> NameRule {
        |name, _prefix| match net::parse_ip(name) {
            None => vec![format!("ParseAddr({name:?}): unable to parse IP")],
            Some(ip) if ip.to_string() != name => vec!["must be a canonical format IP address".to_owned()],
            Some(_) => Vec::new(),
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let path = Path::new("spec.parentRef");
        let parent = object.look(&["spec", "parentRef"]);
        if parent.is_null() {
            errors.push(FieldError::required(&path, ""));
        } else {
            required(&mut errors, parent, &path, "resource", "");
            required(&mut errors, parent, &path, "name", "");
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object.at("spec"), old.at("spec"), &Path::new("spec"), "parentRef");
        errors
    }
}

impl Kind for ServiceCidr {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "status", json!({}));
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (cidrs, path) = (object.at("spec").items("cidrs"), Path::new("spec.cidrs"));
        let value = object.at("spec").at("cidrs");
        if cidrs.is_empty() {
            errors.push(FieldError::required(&path, "at least one CIDR required"));
            return errors;
        }
        if cidrs.len() > MOST_CIDRS {
            errors.push(FieldError::invalid(&path, value.clone(), "may only hold up to 2 values"));
            return errors;
        }
        let read: Vec<Option<Cidr>> = object.at("spec").texts("cidrs").map(Cidr::parse).collect();
        if let [Some(one), Some(other)] = read.as_slice()
            && one.family() == other.family()
        {
            let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            errors.push(FieldError::invalid(&path, value.clone(), why));
        }
        for (index, (cidr, text)) in read.iter().zip(object.at("spec").texts("cidrs")).enumerate() {
            match cidr {
                None => errors.push(FieldError::invalid(&path.index(index), text, net::NOT_A_CIDR)),
                Some(cidr) if !cidr.is_canonical() => {
                    let why = "must not have bits set beyond the prefix length";
                    errors.push(FieldError::invalid(&path.index(index), text, why));
                }
                Some(_) => {}
            }
        }
        errors
    }

    /// A block stays; since 1.34 a second one of the other family may join it.
    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let (new, before) = (object.at("spec").items("cidrs"), old.at("spec").items("cidrs"));
        let widened = cx.minor >= 34 && before.len() == 1 && new.len() == MOST_CIDRS && new.first() == before.first();
        if new != before && !widened {
            let value = object.at("spec").at("cidrs").clone();
            errors.push(FieldError::invalid(&Path::new("spec.cidrs"), value, IMMUTABLE));
        }
        errors
    }
}
