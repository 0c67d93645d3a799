//! The rules said again without any state: every question scans all accepted entries.

use super::*;

fn balance(log: &[Entry], of: Digest) -> Option<(Cost, u128, u128)> {
    let cap = log.iter().find_map(|entry| match entry {
        Entry::Open(opening) if opening.account == of => Some(opening.cap),
        _ => None,
    })?;
    let (mut rho, mut delta) = (0, 0);
    for entry in log {
        let Entry::Charge(request) = entry else { continue };
        for (_, cost) in request.items.iter().filter(|(account, _)| *account == of) {
            rho += u128::from(cost.rho.nano());
            delta += u128::from(cost.delta.atto());
        }
    }
    Some((cap, rho, delta))
}

fn attestation(log: &[Entry], of: Digest) -> Option<(usize, &Attestation)> {
    log.iter().enumerate().find_map(|(index, entry)| match entry {
        Entry::Attest(new) | Entry::Supersede { new, .. } if new.root == of => Some((index, new)),
        _ => None,
    })
}

fn standing(log: &[Entry], of: Digest) -> &'static str {
    if attestation(log, of).is_none() {
        return "unattested";
    }
    for entry in log {
        match entry {
            Entry::Supersede { old, .. } if *old == of => return "superseded",
            Entry::Revoke { root } if *root == of => return "revoked",
            _ => {}
        }
    }
    "active"
}

/// The first key of the chain that ends with this one.
fn holder(log: &[Entry], key: Digest) -> Digest {
    let before = log.iter().find_map(|entry| match entry {
        Entry::Key(rotation) if rotation.new == key => Some(rotation.old),
        _ => None,
    });
    before.map_or(key, |before| holder(log, before))
}

fn is_retired(log: &[Entry], key: Digest) -> bool {
    log.iter().any(|entry| matches!(entry, Entry::Key(rotation) if rotation.old == key))
}

fn rotation(log: &[Entry], rotation: &KeyRotation) -> &'static str {
    let is_known = |key: Digest| {
        log.iter().any(|entry| match entry {
            Entry::Attest(new) | Entry::Supersede { new, .. } => new.key == key,
            Entry::Key(earlier) => earlier.new == key,
            _ => false,
        })
    };
    if is_retired(log, rotation.old) {
        "conflict"
    } else if is_known(rotation.old) && !is_known(rotation.new) {
        "accepted"
    } else {
        "refused"
    }
}

fn charge(log: &[Entry], request: &ChargeRequest) -> &'static str {
    let items = &request.items;
    let twice = items
        .iter()
        .enumerate()
        .any(|(at, (account, _))| items[..at].iter().any(|(earlier, _)| earlier == account));
    let zero = items.iter().any(|(_, cost)| *cost == Cost::default());
    let inputs = &request.inputs;
    let again = inputs.iter().enumerate().any(|(at, root)| inputs[..at].contains(root));
    if items.is_empty() || inputs.is_empty() || twice || zero || again {
        return "refused";
    }
    let taken = log
        .iter()
        .any(|entry| matches!(entry, Entry::Charge(other) if other.query == request.query));
    if taken {
        return "conflict";
    }
    if items.iter().any(|(account, _)| balance(log, *account).is_none()) {
        return "refused";
    }
    for root in inputs {
        match (standing(log, *root), attestation(log, *root)) {
            ("active", Some((_, found))) => {
                if !items.iter().any(|(account, _)| *account == found.account) {
                    return "other account";
                }
                if found.expires_day < request.day {
                    return "expired";
                }
            }
            (why, _) => return why,
        }
    }
    for (account, cost) in items {
        let (cap, rho, delta) = balance(log, *account).unwrap();
        if rho + u128::from(cost.rho.nano()) > u128::from(cap.rho.nano())
            || delta + u128::from(cost.delta.atto()) > u128::from(cap.delta.atto())
        {
            return "exhausted";
        }
    }
    "accepted"
}

fn new_extract(log: &[Entry], old: Option<Digest>, new: &Attestation) -> &'static str {
    if attestation(log, new.root).is_some() {
        return "conflict";
    }
    if balance(log, new.account).is_none() || is_retired(log, new.key) {
        return "refused";
    }
    let held = |of: &Attestation| (of.account, holder(log, of.key));
    let Some(old) = old else {
        let taken = log.iter().any(|entry| match entry {
            Entry::Attest(other) | Entry::Supersede { new: other, .. } => {
                held(other) == held(new) && standing(log, other.root) == "active"
            }
            _ => false,
        });
        return if taken { "conflict" } else { "accepted" };
    };
    match (standing(log, old), attestation(log, old)) {
        ("active", Some((_, found))) => {
            if held(found) == held(new) {
                "accepted"
            } else {
                "refused"
            }
        }
        (why, _) => why,
    }
}

fn set(log: &[Entry], query: Digest, round: u32, root: Digest) -> &'static str {
    let is_there = |wanted: &dyn Fn(&Entry) -> bool| log.iter().any(wanted);
    let is_charged = is_there(&|entry| matches!(entry, Entry::Charge(c) if c.query == query));
    let is_over = is_there(&|entry| match entry {
        Entry::Release { query: of, .. } | Entry::Redact { query: of } => *of == query,
        _ => false,
    });
    let is_taken = is_there(&|entry| match entry {
        Entry::Commit { query: of, round: earlier, .. } => (*of, *earlier) == (query, round),
        _ => false,
    });
    match (is_charged && round <= 255 && root != Digest::from_bytes([0; 32]), is_taken) {
        (false, _) => "refused",
        (true, true) => "conflict",
        (true, false) if is_over => "refused",
        (true, false) => "accepted",
    }
}

/// What the rules say, and for a repetition where the first is.
pub(super) fn admit(log: &[Entry], entry: &Entry) -> (&'static str, Option<usize>) {
    if let Some(index) = log.iter().position(|earlier| earlier == entry) {
        return match entry {
            Entry::Attest(new) | Entry::Supersede { new, .. } => match standing(log, new.root) {
                "active" => ("repeated", Some(index)),
                why => (why, None),
            },
            _ => ("repeated", Some(index)),
        };
    }
    let verdict = match entry {
        Entry::Open(opening) => match balance(log, opening.account) {
            _ if opening.cap == Cost::default() => "refused",
            Some(_) => "conflict",
            None => "accepted",
        },
        Entry::Charge(request) => charge(log, request),
        Entry::Release { query, .. } => {
            let charged = |entry: &Entry| matches!(entry, Entry::Charge(c) if c.query == *query);
            let released =
                |entry: &Entry| matches!(entry, Entry::Release { query: q, .. } if q == query);
            let redacted = log.contains(&Entry::Redact { query: *query });
            match (log.iter().any(charged), log.iter().any(released)) {
                (false, _) => "refused",
                (true, true) => "conflict",
                (true, false) if redacted => "refused",
                (true, false) => "accepted",
            }
        }
        Entry::Key(new) => rotation(log, new),
        Entry::Commit { query, round, root } => set(log, *query, *round, *root),
        Entry::Redact { query } => {
            let charged = |entry: &Entry| matches!(entry, Entry::Charge(c) if c.query == *query);
            if log.iter().any(charged) { "accepted" } else { "refused" }
        }
        Entry::Attest(new) => new_extract(log, None, new),
        Entry::Supersede { old, new } => new_extract(log, Some(*old), new),
        Entry::Revoke { root } => match standing(log, *root) {
            "active" => "accepted",
            why => why,
        },
    };
    (verdict, None)
}

pub(super) fn spent(log: &[Entry], of: Digest) -> Option<(u128, u128)> {
    balance(log, of).map(|(_, rho, delta)| (rho, delta))
}

pub(super) fn committed(log: &[Entry], query: Digest, round: u32) -> Option<(u64, Digest)> {
    (0..).zip(log).find_map(|(index, entry)| match entry {
        Entry::Commit { query: of, round: found, root } if (*of, *found) == (query, round) => {
            Some((index, *root))
        }
        _ => None,
    })
}
