//! One query's bytes to one answer's bytes, without a socket in sight.
//!
//! The rules are those of RFC 1035 (messages), 2308 (negative answers carry an SOA), 6891 (EDNS) and 8482 (ANY).

use crate::zone::{Answer, Kind, Zone};
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, Header, MessageType, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::{A, PTR, SOA};
use hickory_server::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_server::proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};
use hickory_server::server::Request;
use hickory_server::zone_handler::MessageResponseBuilder;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the query came, which decides how long an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Answers past the asker's limit are cut and marked as truncated.
    Udp,
    /// Answers may have 65,535 bytes.
    Tcp,
}

/// The largest UDP answer: fits one packet on every path that carries IPv6's least MTU (RFC 9715).
const UDP_PAYLOAD: u16 = 1232;

/// The largest UDP answer to an asker without EDNS (RFC 1035 section 2.3.4).
const PLAIN_PAYLOAD: u16 = 512;

/// Seconds that a negative answer may be kept. As short as a positive one, for names appear when clusters are made.
const NEGATIVE_TTL: u32 = 60;

/// Bytes of a message's header.
const HEADER: usize = 12;

/// Answers queries from one view.
pub struct Responder {
    view: Arc<dyn Zone>,
    shuffles: AtomicU64,
}

/// What goes into the sections of an answer.
struct Sections {
    code: ResponseCode,
    answers: Vec<Record>,
    authority: Option<Record>,
}

impl Responder {
    /// A responder for `view`.
    pub fn new(view: Arc<dyn Zone>) -> Self {
        // The order of answers spreads load and guards nothing: where the kernel has no seed yet, zero will do.
        Self { view, shuffles: AtomicU64::new(getrandom::u64().unwrap_or_default()) }
    }

    /// The answer to `query` from `source`, or nothing where silence is right: less than a header, or an answer itself
    /// (two servers would otherwise talk to each other for ever).
    pub fn respond(&self, query: &[u8], source: SocketAddr, transport: Transport) -> Option<Vec<u8>> {
        let header = Header::read(&mut BinDecoder::new(query.get(..HEADER)?)).ok()?;
        if header.metadata.message_type == MessageType::Response {
            return None;
        }
        // Judged before anything is decoded: the counts size the decoder's buffers.
        if header.metadata.op_code != OpCode::Query {
            return bare(&header.metadata, ResponseCode::NotImp);
        }
        if header.counts.queries != 1 {
            return bare(&header.metadata, ResponseCode::FormErr);
        }
        match Request::from_bytes(query.to_vec(), source, protocol(transport)) {
            Ok(request) => self.reply(&request, transport).or_else(|| bare(&header.metadata, ResponseCode::ServFail)),
            Err(_) => bare(&header.metadata, ResponseCode::FormErr),
        }
    }

    fn reply(&self, request: &Request, transport: Transport) -> Option<Vec<u8>> {
        let mut sections =
            if request.version() > 0 { Sections::error(ResponseCode::BADVERS) } else { self.sections(request) };
        self.shuffle(&mut sections.answers);

        let mut metadata = Metadata::response_from_request(&request.metadata);
        // Every view is a resolver to its askers, as Amazon's is: recursion is available and nothing is authoritative.
        metadata.recursion_available = true;
        metadata.response_code = sections.code;

        let mut builder = MessageResponseBuilder::from_message_request(request);
        let edns = request.edns.as_ref().map(|_| {
            let mut edns = Edns::new();
            // The upper bits of a code past 15 travel here.
            edns.set_max_payload(UDP_PAYLOAD).set_version(0).set_rcode_high(sections.code.high());
            edns
        });
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let mut bytes = Vec::with_capacity(usize::from(PLAIN_PAYLOAD));
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(match (transport, &edns) {
            (Transport::Tcp, _) => u16::MAX,
            (Transport::Udp, Some(_)) => request.max_payload().min(UDP_PAYLOAD),
            (Transport::Udp, None) => PLAIN_PAYLOAD,
        });
        let response = builder.build(metadata, &sections.answers, &[], &sections.authority, &[]);
        response
            .destructive_emit(&mut encoder)
            .inspect_err(|error| tracing::warn!(%error, "an answer could not be written"))
            .ok()?;
        Some(bytes)
    }

    fn sections(&self, request: &Request) -> Sections {
        let Some(query) = request.queries.queries().first() else {
            return Sections::error(ResponseCode::FormErr);
        };
        if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
            return Sections::error(ResponseCode::Refused);
        }
        // The records behind a view are not for copying, and OPT is no record that anyone can hold.
        if matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR | RecordType::OPT) {
            return Sections::error(ResponseCode::Refused);
        }
        let kind = kind(query.query_type());
        let asked = &query.original().name;
        let name = query.name().to_string();
        let name = name.strip_suffix('.').unwrap_or(&name);
        match self.view.lookup(name, kind, request.src().ip()) {
            Answer::Addresses { v4, ttl } if matches!(kind, Kind::A | Kind::Any) && !v4.is_empty() => {
                Sections::records(v4.into_iter().map(|address| address_record(asked, ttl, address)).collect())
            }
            Answer::Name { target, ttl } if matches!(kind, Kind::Ptr | Kind::Any) => match absolute(&target) {
                Some(target) => {
                    Sections::records(vec![Record::from_rdata(asked.clone(), ttl, RData::PTR(PTR(target)))])
                }
                None => {
                    tracing::warn!(target, "a host's name is no domain name");
                    Sections::error(ResponseCode::ServFail)
                }
            },
            Answer::Addresses { .. } | Answer::Name { .. } | Answer::NoData => {
                self.negative(ResponseCode::NoError, name)
            }
            Answer::NoSuchName => self.negative(ResponseCode::NXDomain, name),
            Answer::Refused => Sections::error(ResponseCode::Refused),
        }
    }

    fn negative(&self, code: ResponseCode, name: &str) -> Sections {
        let apex = absolute(self.view.apex(name)).unwrap_or_else(Name::root);
        let primary = Name::from_ascii("ns").and_then(|ns| ns.append_name(&apex)).unwrap_or_else(|_| apex.clone());
        let mailbox = Name::from_ascii("hostmaster").and_then(|it| it.append_name(&apex));
        // The times are Route 53's own; no secondary server reads them.
        let soa = SOA::new(primary, mailbox.unwrap_or_else(|_| apex.clone()), 1, 7200, 900, 1_209_600, NEGATIVE_TTL);
        let authority = Some(Record::from_rdata(apex, NEGATIVE_TTL, RData::SOA(soa)));
        Sections { code, answers: Vec::new(), authority }
    }

    /// Fisher and Yates' shuffle with the numbers of splitmix64, which needs no state but a counter.
    fn shuffle(&self, records: &mut [Record]) {
        for last in (1..records.len()).rev() {
            let count = last as u64 + 1;
            let pick = mix(self.shuffles.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)) % count;
            records.swap(last, usize::try_from(pick).unwrap_or(last));
        }
    }
}

impl Sections {
    fn records(answers: Vec<Record>) -> Self {
        Self { code: ResponseCode::NoError, answers, authority: None }
    }

    fn error(code: ResponseCode) -> Self {
        Self { code, answers: Vec::new(), authority: None }
    }
}

/// A header with `code` and nothing behind it, for what could not be read as a query.
fn bare(request: &Metadata, code: ResponseCode) -> Option<Vec<u8>> {
    let mut metadata = Metadata::response_from_request(request);
    metadata.response_code = code;
    let header = Header { metadata, counts: Default::default() };
    let mut bytes = Vec::with_capacity(HEADER);
    header.emit(&mut BinEncoder::new(&mut bytes)).ok()?;
    Some(bytes)
}

fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}

fn kind(asked: RecordType) -> Kind {
    match asked {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::PTR => Kind::Ptr,
        RecordType::ANY => Kind::Any,
        other => Kind::Other(other.into()),
    }
}

fn address_record(name: &Name, ttl: u32, address: Ipv4Addr) -> Record {
    Record::from_rdata(name.clone(), ttl, RData::A(A(address)))
}

fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_server::proto::op::{Message, Query};
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    struct Names;

    impl Zone for Names {
        fn lookup(&self, name: &str, _: Kind, _: IpAddr) -> Answer {
            match name {
                "abc.gr7.eks.test" => {
                    Answer::Addresses { v4: vec![[198, 18, 0, 9].into(), [198, 18, 0, 10].into()], ttl: 60 }
                }
                "many.test" => Answer::Addresses { v4: (0..200).map(|n| [198, 18, 1, n].into()).collect(), ttl: 60 },
                "4.0.0.10.in-addr.arpa" => Answer::Name { target: "ip-10-0-0-4.internal".into(), ttl: 60 },
                "bad.test" => Answer::Name { target: "no..name".into(), ttl: 60 },
                "secret.test" => Answer::Refused,
                "empty.test" => Answer::NoData,
                _ => Answer::NoSuchName,
            }
        }
    }

    fn query(name: &str, kind: RecordType) -> Message {
        let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn send(bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        Responder::new(Arc::new(Names)).respond(bytes, "10.0.0.4:5353".parse().unwrap(), transport)
    }

    fn ask(query: &Message) -> Message {
        Message::from_vec(&send(&query.to_vec().unwrap(), Transport::Udp).unwrap()).unwrap()
    }

    /// One row: the question, then the code, the answers in order of their text, and the authority section.
    #[track_caller]
    fn check(name: &str, kind: RecordType, code: ResponseCode, answers: &[&str], authority: &[&str]) {
        let got = ask(&query(name, kind));
        assert_eq!(got.metadata.response_code, code, "{name}");
        let mut lines: Vec<String> = got.answers.iter().map(ToString::to_string).collect();
        lines.sort();
        assert_eq!(lines, answers, "{name}");
        assert_eq!(got.authorities.iter().map(ToString::to_string).collect::<Vec<_>>(), authority, "{name}");
    }

    const EKS: &str = "gr7.eks.test. 60 IN SOA ns.gr7.eks.test. hostmaster.gr7.eks.test. 1 7200 900 1209600 60";

    #[test]
    fn an_address_is_answered() {
        let (code, name) = (ResponseCode::NoError, "abc.gr7.eks.test.");
        let both = ["abc.gr7.eks.test. 60 IN A 198.18.0.10", "abc.gr7.eks.test. 60 IN A 198.18.0.9"];
        check(name, RecordType::A, code, &both, &[]);
        check(name, RecordType::ANY, code, &both, &[]);
    }

    #[test]
    fn a_name_without_such_a_record_is_no_data_with_an_soa() {
        for kind in [RecordType::AAAA, RecordType::MX, RecordType::PTR, RecordType::Unknown(65)] {
            check("abc.gr7.eks.test.", kind, ResponseCode::NoError, &[], &[EKS]);
        }
    }

    #[test]
    fn an_unknown_name_is_nxdomain_with_an_soa() {
        check("xyz.gr7.eks.test.", RecordType::A, ResponseCode::NXDomain, &[], &[EKS]);
        check(".", RecordType::NS, ResponseCode::NXDomain, &[], &[". 60 IN SOA ns. hostmaster. 1 7200 900 1209600 60"]);
    }

    #[test]
    fn an_address_has_a_name() {
        let name = "4.0.0.10.in-addr.arpa.";
        let answer = "4.0.0.10.in-addr.arpa. 60 IN PTR ip-10-0-0-4.internal.";
        check(name, RecordType::PTR, ResponseCode::NoError, &[answer], &[]);
        check("bad.test.", RecordType::PTR, ResponseCode::ServFail, &[], &[]);
    }

    #[test]
    fn what_must_not_be_asked_is_refused() {
        check("secret.test.", RecordType::A, ResponseCode::Refused, &[], &[]);
        check("abc.gr7.eks.test.", RecordType::AXFR, ResponseCode::Refused, &[], &[]);
        let mut chaos = query("abc.gr7.eks.test.", RecordType::A);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(ask(&chaos).metadata.response_code, ResponseCode::Refused);
    }

    #[test]
    fn the_question_comes_back_as_it_was_asked_and_case_does_not_matter() {
        let asked = query("aBc.GR7.eks.TEST.", RecordType::A);
        let got = ask(&asked);
        assert_eq!(got.metadata.id, 0x1234);
        assert!(got.metadata.recursion_available && got.metadata.recursion_desired && !got.metadata.authoritative);
        assert_eq!(got.queries[0].name().to_string(), "aBc.GR7.eks.TEST.");
        assert_eq!(got.answers[0].name.to_string(), "aBc.GR7.eks.TEST.");
        assert_eq!(got.answers.len(), 2);
    }

    #[test]
    fn the_order_of_addresses_changes() {
        let responder = Responder::new(Arc::new(Names));
        let asked = query("abc.gr7.eks.test.", RecordType::A).to_vec().unwrap();
        let firsts: BTreeSet<String> = (0..64)
            .map(|_| responder.respond(&asked, "10.0.0.4:5353".parse().unwrap(), Transport::Udp).unwrap())
            .map(|answer| Message::from_vec(&answer).unwrap().answers[0].data.to_string())
            .collect();
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn an_answer_fits_what_the_asker_takes() {
        let plain = query("many.test.", RecordType::A);
        let bytes = send(&plain.to_vec().unwrap(), Transport::Udp).unwrap();
        assert!(bytes.len() <= 512 && Message::from_vec(&bytes).unwrap().metadata.truncation);

        let mut wide = plain.clone();
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        wide.set_edns(edns);
        let bytes = send(&wide.to_vec().unwrap(), Transport::Udp).unwrap();
        let got = Message::from_vec(&bytes).unwrap();
        assert!(bytes.len() > 1000 && bytes.len() <= 1232 && got.metadata.truncation);
        assert_eq!(got.edns.map(|edns| edns.max_payload()), Some(1232));

        let bytes = send(&wide.to_vec().unwrap(), Transport::Tcp).unwrap();
        let got = Message::from_vec(&bytes).unwrap();
        assert_eq!((got.answers.len(), got.metadata.truncation), (200, false));
    }

    #[test]
    fn a_later_edns_version_is_told_so() {
        let mut asked = query("abc.gr7.eks.test.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_version(1);
        asked.set_edns(edns);
        let got = ask(&asked);
        // The library reads 16 as BADSIG, which has the same number.
        assert_eq!((u16::from(got.metadata.response_code), got.answers.len()), (16, 0));
    }

    #[test]
    fn what_is_no_query_gets_an_error_or_silence() {
        let good = query("abc.gr7.eks.test.", RecordType::A).to_vec().unwrap();
        assert_eq!(send(&good[..11], Transport::Udp), None);
        assert_eq!(send(&[], Transport::Udp), None);
        let code = |bytes: &[u8]| {
            Message::from_vec(&send(bytes, Transport::Udp).unwrap()).map(|got| got.metadata.response_code).unwrap()
        };
        assert_eq!(code(&good[..20]), ResponseCode::FormErr);
        assert_eq!(code(&good[..12]), ResponseCode::FormErr);
        let mut none = good.clone();
        none[5] = 0;
        assert_eq!(code(&none), ResponseCode::FormErr);
        let mut two = good.clone();
        two[5] = 2;
        assert_eq!(code(&two), ResponseCode::FormErr);
        let mut update = good.clone();
        update[2] = 5 << 3;
        assert_eq!(code(&update), ResponseCode::NotImp);
        let mut answer = good;
        answer[2] |= 0x80;
        assert_eq!(send(&answer, Transport::Udp), None);
    }
}
