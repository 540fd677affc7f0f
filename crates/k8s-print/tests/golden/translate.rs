//! What later minors print differently from the recorded 1.20.

use serde_json::{Value, json};

/// A change of a kind's columns: from which minor on, before which column, and what is there then.
struct Inserted {
    kind: &'static str,
    since: u32,
    before: &'static str,
    column: &'static str,
    cell: Cell,
}

enum Cell {
    Fixed(&'static str),
    JobStatus,
}

const INSERTED: [Inserted; 6] = [
    Inserted {
        kind: "CertificateSigningRequest",
        since: 22,
        before: "Condition",
        column: "RequestedDuration",
        cell: Cell::Fixed("<none>"),
    },
    Inserted { kind: "CronJob", since: 29, before: "Suspend", column: "Timezone", cell: Cell::Fixed("<none>") },
    Inserted {
        kind: "PersistentVolume",
        since: 29,
        before: "Reason",
        column: "VolumeAttributesClass",
        cell: Cell::Fixed("<unset>"),
    },
    Inserted {
        kind: "PersistentVolumeClaim",
        since: 29,
        before: "Age",
        column: "VolumeAttributesClass",
        cell: Cell::Fixed("<unset>"),
    },
    Inserted { kind: "Job", since: 31, before: "Completions", column: "Status", cell: Cell::JobStatus },
    Inserted {
        kind: "PriorityClass",
        since: 32,
        before: "",
        column: "PreemptionPolicy",
        cell: Cell::Fixed("PreemptLowerPriority"),
    },
];

/// The columns of each kind, as recorded, that a change stands before.
const PLACES: [(&str, &str, usize); 5] = [
    ("CertificateSigningRequest", "Condition", 4),
    ("CronJob", "Suspend", 2),
    ("PersistentVolume", "Reason", 7),
    ("PersistentVolumeClaim", "Age", 6),
    ("Job", "Completions", 1),
];

fn place(it: &Inserted, length: usize) -> usize {
    let known = PLACES.iter().find(|(kind, before, _)| *kind == it.kind && *before == it.before);
    known.map_or(length, |(_, _, at)| *at)
}

pub fn columns(kind: &str, minor: u32, recorded: &[Value]) -> Vec<Value> {
    let mut columns = recorded.to_vec();
    for it in INSERTED.iter().filter(|it| it.kind == kind && minor >= it.since) {
        let at = place(it, columns.len());
        assert_eq!(columns.get(at).map_or("", |it| it["name"].as_str().unwrap()), it.before);
        columns
            .insert(at, json!({"name": it.column, "type": "string", "format": "", "description": "", "priority": 0}));
    }
    match kind {
        // since 1.22 with the time of the last one
        "Pod" => columns[3]["type"] = "string".into(),
        "ResourceQuota" if minor >= 33 => columns[1..].rotate_left(1),
        "PriorityLevelConfiguration" if minor >= 26 => columns[2]["name"] = "NominalConcurrencyShares".into(),
        _ => {}
    }
    columns
}

pub fn row(kind: &str, minor: u32, recorded: &Value) -> Value {
    let mut row = recorded.clone();
    let cells = row["cells"].as_array_mut().unwrap();
    for it in INSERTED.iter().filter(|it| it.kind == kind && minor >= it.since) {
        let at = place(it, cells.len());
        let cell = match it.cell {
            Cell::Fixed(text) => text,
            Cell::JobStatus => match cells[0].as_str().unwrap() {
                "done" => "Complete",
                "failed" => "Failed",
                _ => "Running",
            },
        };
        cells.insert(at, cell.into());
    }
    match kind {
        "Pod" => cells[3] = cells[3].to_string().into(),
        "ResourceQuota" if minor >= 33 => cells[1..].rotate_left(1),
        "HorizontalPodAutoscaler" if minor >= 30 => cells[2] = format!("cpu: {}", cells[2].as_str().unwrap()).into(),
        _ => {}
    }
    row
}
