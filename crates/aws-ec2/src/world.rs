//! One transaction seen from one account and region: typed reads, writes, and small look-ups that answers need.

use crate::error::Result;
use crate::records::{Record, SecurityGroup, Tags, Vpc, key, prefix};
use crate::resource::{Resource, not_found, parse_id};
use crate::side_records::LOOSE_TAGS;
use base::{AccountId, Region, SecurityGroupId, VpcId};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;
use store::Tx;

/// Where and when a decision is taken, and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The time.
    pub now: Timestamp,
    /// Whether an AWS service asks, not a user.
    pub by_service: bool,
}

/// A transaction's view of one account and region.
pub(crate) struct World<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    /// Where and when.
    pub scope: &'a Scope,
    group_names: RefCell<BTreeMap<SecurityGroupId, String>>,
    vpcs: RefCell<BTreeMap<VpcId, bool>>,
}

impl<'a, 'tx> World<'a, 'tx> {
    /// The view of `scope` in `tx`.
    pub fn new(tx: &'a mut Tx<'tx>, scope: &'a Scope) -> Self {
        Self { tx, scope, group_names: RefCell::default(), vpcs: RefCell::default() }
    }

    /// The account.
    pub fn account(&self) -> &'a AccountId {
        &self.scope.account
    }

    /// The region.
    pub fn region(&self) -> &'a Region {
        &self.scope.region
    }

    /// The key of a record or index entry in this account and region.
    pub fn key(&self, kind: &str, rest: &str) -> String {
        key(self.account(), self.region(), kind, rest)
    }

    /// Reads a record by its id.
    pub fn get<R: Record>(&self, id: &str) -> Result<Option<R>> {
        Ok(self.tx.get(&self.key(R::KIND, id))?)
    }

    /// Reads a record that must be there; the id is as the user wrote it.
    pub fn find<R: Resource>(&self, id: &str) -> Result<R> {
        parse_id::<R>(id)?;
        self.get(id)?.ok_or_else(|| not_found::<R>(id))
    }

    /// All records of a kind, for answers: the commit does not depend on them.
    pub fn peek<R: Record>(&self) -> Result<Vec<R>> {
        let found = self.tx.peek(&prefix(self.account(), self.region(), R::KIND))?;
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    /// All records of a kind, for decisions: the commit fails when one changes or comes meanwhile.
    pub fn scan<R: Record>(&self) -> Result<Vec<R>> {
        let found = self.tx.scan(&prefix(self.account(), self.region(), R::KIND))?;
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    /// The records with these ids, each of which must be there, or all of them.
    pub fn select<R: Resource>(&self, ids: &Option<Vec<String>>) -> Result<Vec<R>> {
        match ids.as_deref() {
            None | Some([]) => self.peek(),
            Some(ids) => ids.iter().map(|id| self.find(id)).collect(),
        }
    }

    /// Writes a record.
    pub fn put<R: Resource>(&mut self, record: &R) -> Result<()> {
        self.put_at::<R>(record.id(), record)
    }

    /// Writes a record under an id of another's.
    pub fn put_at<R: Record>(&mut self, id: &str, record: &R) -> Result<()> {
        let key = self.key(R::KIND, id);
        Ok(self.tx.put(key, record)?)
    }

    /// Deletes a record.
    pub fn remove<R: Record>(&mut self, id: &str) {
        let key = self.key(R::KIND, id);
        self.tx.delete(key);
    }

    /// Reads an index entry by its whole key.
    pub fn entry<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.tx.get(key)?)
    }

    /// Reads index entries for a decision; see [`World::scan`].
    pub fn scan_entries<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>> {
        Ok(self.tx.scan(prefix)?)
    }

    /// Reads index entries for an answer; see [`World::peek`].
    pub fn peek_entries<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>> {
        Ok(self.tx.peek(prefix)?)
    }

    /// Writes an index entry.
    pub fn put_entry<T: Serialize>(&mut self, key: String, value: &T) -> Result<()> {
        Ok(self.tx.put(key, value)?)
    }

    /// Deletes an index entry.
    pub fn remove_entry(&mut self, key: String) {
        self.tx.delete(key);
    }

    /// The name of a security group, for answers; its id when it is gone.
    pub fn group_name(&self, id: &SecurityGroupId) -> Result<String> {
        if let Some(name) = self.group_names.borrow().get(id) {
            return Ok(name.clone());
        }
        let name = self.get::<SecurityGroup>(id.as_str())?.map_or_else(|| id.to_string(), |group| group.name);
        self.group_names.borrow_mut().insert(id.clone(), name.clone());
        Ok(name)
    }

    /// Whether a VPC gives public host names, for answers.
    pub fn has_dns_hostnames(&self, id: &VpcId) -> Result<bool> {
        if let Some(known) = self.vpcs.borrow().get(id) {
            return Ok(*known);
        }
        let known = self.get::<Vpc>(id.as_str())?.is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames);
        self.vpcs.borrow_mut().insert(id.clone(), known);
        Ok(known)
    }

    /// The default VPC, if the region still has it.
    pub fn default_vpc(&self) -> Result<Option<Vpc>> {
        Ok(self.peek::<Vpc>()?.into_iter().find(|vpc| vpc.is_default))
    }

    /// Tags of what has no record of its own.
    pub fn loose_tags(&self, id: &str) -> Result<Tags> {
        Ok(self.entry(&self.key(LOOSE_TAGS, id))?.unwrap_or_default())
    }

    /// The id of the zone with this name.
    pub fn zone_id(&self, name: &str) -> Option<String> {
        self.region().zones().into_iter().find(|zone| zone.name == name).map(|zone| zone.id)
    }

    /// An ARN of EC2 in this account and region.
    pub fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.region(), self.account())
    }
}
