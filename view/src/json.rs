//! `json`: everything, in a schema of its own. docs/talloc-view.md documents it.

use crate::tree::{NONE, Tree};
use serde_json::{Map, Value, json};
use std::io::{Result, Write};

/// Grows when a member changes its meaning or goes, not when one is added.
pub const SCHEMA: u32 = 1;

/// A node each line.
pub fn write(tree: &Tree, to: &mut impl Write) -> Result<()> {
    let whole = tree.whole();
    writeln!(
        to,
        "{{\"schema\":{SCHEMA},\"source\":{},",
        json!(tree.source)
    )?;
    writeln!(
        to,
        "\"bytes\":{},\"blocks\":{},\"changed\":{},",
        whole.bytes, whole.blocks, tree.changed
    )?;
    writeln!(to, "\"nodes\":[")?;
    for (k, &i) in tree.order.iter().enumerate() {
        let node = tree.node(i);
        let mut o = Map::new();
        let mut put = |name: &str, value: Value| o.insert(name.to_owned(), value);
        put("id", json!(i));
        put("name", json!(tree.name(i)));
        put("kind", json!(node.kind.text()));
        put("size", json!(node.size));
        put("bytes", json!(tree.totals[i as usize].bytes));
        put("blocks", json!(tree.totals[i as usize].blocks));
        if node.address != 0 {
            put("address", json!(format!("{:#x}", node.address)));
        }
        for (name, other) in [
            ("parent", node.parent),
            ("target", node.target),
            ("pool", node.pool),
            ("member_of", node.member_of),
        ] {
            if other != NONE {
                put(name, json!(other));
            }
        }
        if node.references != 0 {
            put("references", json!(node.references));
        }
        if node.has_destructor {
            put("destructor", json!(true));
        }
        if node.is_dying {
            put("dying", json!(true));
        }
        if let Some((max, used)) = node.limit {
            put("limit", json!({ "max": max, "used": used }));
        }
        let comma = if k + 1 == tree.order.len() { "" } else { "," };
        serde_json::to_writer(&mut *to, &o)?;
        writeln!(to, "{comma}")?;
    }
    let pools: Vec<Value> = tree
        .pools
        .iter()
        .map(|p| {
            json!({
                "address": format!("{:#x}", p.address),
                "node": (p.node != NONE).then_some(p.node),
                "cache": p.is_cache,
                "room": p.room,
                "used": p.used,
                "members": p.members,
                "alive": p.alive,
                "object": p.object,
                "objects": p.objects,
            })
        })
        .collect();
    writeln!(to, "],\n\"pools\":{},", json!(pools))?;
    let kept = &tree.kept;
    let sums =
        json!({ "threads": kept.threads, "blocks": kept.blocks.len(), "bytes": kept.bytes() });
    writeln!(to, "\"kept\":{sums},")?;
    let problems: Vec<Value> = tree
        .problems
        .iter()
        .map(|p| json!({ "address": format!("{:#x}", p.address), "name": p.name, "what": p.what }))
        .collect();
    writeln!(to, "\"problems\":{}}}", json!(problems))
}
