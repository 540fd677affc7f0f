//! Subnets that the user has: looked up, and sorted by zone as eksctl sorts them.

use super::work::Work;
use crate::cli::error::CliError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Its block.
    pub block: String,
}

/// The subnets of one VPC, one a zone: of two in a zone the later one counts, as with eksctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// The VPC.
    pub vpc: String,
    /// Its primary block.
    pub block: String,
    /// By zone.
    pub public: BTreeMap<String, Subnet>,
    /// By zone.
    pub private: BTreeMap<String, Subnet>,
}

impl Existing {
    /// Looks them up.
    ///
    /// # Errors
    /// When one does not exist, or they are not all in one VPC.
    pub fn find(work: &mut Work<'_, '_>, public: &[String], private: &[String]) -> Result<Self, CliError> {
        let ids: Vec<_> = private.iter().chain(public).collect();
        let found = work.list("ec2", "DescribeSubnets", json!({ "SubnetIds": ids }), "Subnets")?;
        let mut vpc: Option<String> = None;
        let mut sort = |ids: &[String]| {
            let mut by_zone = BTreeMap::new();
            for id in ids {
                let Some(record) = found.iter().find(|it| it["SubnetId"] == **id) else {
                    return Err(CliError::told(format!("there is no subnet {id}")));
                };
                let its = text(&record["VpcId"]);
                let first = vpc.get_or_insert_with(|| its.clone());
                if *first != its {
                    return Err(CliError::told(format!("given {id} is in {its}, not in {first}")));
                }
                let zone = text(&record["AvailabilityZone"]);
                by_zone.insert(zone.clone(), Subnet { id: id.clone(), zone, block: text(&record["CidrBlock"]) });
            }
            Ok(by_zone)
        };
        let (private, public) = (sort(private)?, sort(public)?);
        let Some(vpc) = vpc else { return Err(CliError::told("no subnets are given")) };
        let answer = work.call("ec2", "DescribeVpcs", json!({ "VpcIds": [vpc] }))?;
        let block = text(&answer["Vpcs"][0]["CidrBlock"]);
        Ok(Self { vpc, block, public, private })
    }

    /// Refuses what a control plane can't stand in.
    ///
    /// # Errors
    /// When there are fewer than two zones.
    pub fn check_enough(&self) -> Result<(), CliError> {
        if self.public.len() >= 2 || self.private.len() >= 2 {
            return Ok(());
        }
        let text = "insufficient number of subnets, at least 2x public and/or 2x private subnets are required";
        Err(CliError::told(text))
    }

    /// The ids, public ones first.
    pub fn ids(&self) -> Vec<String> {
        self.public.values().chain(self.private.values()).map(|it| it.id.clone()).collect()
    }

    /// As eksctl logs it: Go's print of its maps.
    pub fn shown(&self) -> String {
        let map = |map: &BTreeMap<String, Subnet>| {
            let mut text = String::from("map[");
            for (at, (zone, it)) in map.iter().enumerate() {
                let space = if at == 0 { "" } else { " " };
                let _ = write!(text, "{space}{zone}:{{{} {} {} 0 }}", it.id, it.zone, it.block);
            }
            text + "]"
        };
        format!("({}) and subnets (private:{} public:{})", self.vpc, map(&self.private), map(&self.public))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
