//! JSON patches of an item, with Connect's own way to name a field: by its id, not by its place.

use serde_json::Value;

/// Carries out one operation on a field, or on one of its attributes. `id` is for a new field that
/// brings none.
pub(super) fn apply(item: &mut Value, operation: &Value, id: String) -> Result<(), &'static str> {
    let path = operation["path"].as_str().ok_or("no path")?;
    let pieces: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|piece| piece.replace("~1", "/").replace("~0", "~"))
        .collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let sections = item["sections"].as_array().cloned().unwrap_or_default();
    let fields = item["fields"]
        .as_array_mut()
        .ok_or("an item without fields")?;
    let place = |fields: &[Value], id: &str| {
        let at = fields.iter().position(|field| field["id"] == id);
        at.ok_or("no such field")
    };
    let value = operation.get("value").cloned();
    match (operation["op"].as_str(), &pieces[..]) {
        (Some("add"), ["fields"]) => {
            let mut field = value.filter(Value::is_object).ok_or("no field")?;
            let section = &field["section"]["id"];
            if !section.is_null() && !sections.iter().any(|one| one["id"] == *section) {
                return Err("the section is not there");
            }
            if !field["id"].is_string() {
                field["id"] = Value::from(id);
            }
            fields.push(field);
        }
        (Some("remove"), ["fields", id]) => {
            let at = place(fields, id)?;
            fields.remove(at);
        }
        (Some("add" | "replace"), ["fields", id, attribute]) => {
            let at = place(fields, id)?;
            let text = value.filter(Value::is_string).ok_or("no text")?;
            fields[at][*attribute] = text;
        }
        (Some("remove"), ["fields", id, attribute]) => {
            let at = place(fields, id)?;
            let field = fields[at].as_object_mut().ok_or("no field")?;
            field.remove(*attribute);
        }
        _ => return Err("not an operation that is stood in for"),
    }
    Ok(())
}
