//! Whose an id is, by GitHub's answer.

use super::*;
use crate::reach::graphql::Named;
use crate::reach::graphql::ids::Answer;

fn touches(lease: &Lease, ids: &[&str], nodes: Value) -> Result<Vec<String>, String> {
    let named = Named {
        ids: ids.iter().map(|id| at((*id).to_owned())).collect(),
        ..Named::default()
    };
    let touches = named.within(&lease.scope(), answer(json!({ "i0": nodes })));
    touches
        .map(|all| all.into_iter().collect())
        .map_err(|error| error.to_string())
}

/// An id, with where it stands.
fn at(id: String) -> (String, String) {
    let at = format!("Mutation.of_{id}");
    (id, at)
}

fn answer(data: Value) -> Answer {
    serde_json::from_value(json!({ "data": data })).unwrap()
}

#[test]
fn everything_that_an_id_belongs_to_must_be_within_the_lease() {
    let lease = Lease::on("acme/site acme/docs", "issues=write").and_organization("acme");
    let project = |login: Value, number: u64| json!({ "number": number, "owner": login });
    let acme = json!({ "login": "Acme" });
    for (node, touched) in [
        (json!({ "nameWithOwner": "Acme/Site" }), "acme/site"),
        (
            json!({ "repository": { "nameWithOwner": "acme/docs" } }),
            "acme/docs",
        ),
        (json!({ "login": "acme" }), "acme"),
        (project(acme.clone(), 7), "orgs/acme/projects/7"),
        (
            json!({ "project": project(acme.clone(), 7) }),
            "orgs/acme/projects/7",
        ),
        (
            json!({ "projectsV2": { "totalCount": 1, "nodes": [project(acme.clone(), 8)] } }),
            "orgs/acme/projects/8",
        ),
    ] {
        assert_eq!(
            touches(&lease, &["x"], json!([node])),
            Ok(vec![touched.to_owned()])
        );
    }
    for node in [
        json!(null),
        json!({}),
        json!({ "nameWithOwner": "acme/other" }),
        json!({ "nameWithOwner": "acme/*" }),
        json!({ "repository": { "nameWithOwner": "acme/other" } }),
        json!({ "login": "other" }),
        project(json!({ "login": "other" }), 1),
        project(json!({}), 1),
        json!({ "project": project(json!({}), 1) }),
        json!({ "projectsV2": { "totalCount": 0, "nodes": [] } }),
        json!({ "projectsV2": { "totalCount": 2, "nodes": [project(acme.clone(), 8)] } }),
        json!({ "projectsV2": { "totalCount": 2, "nodes": [project(acme, 8), project(json!({}), 1)] } }),
        json!({ "repository": { "nameWithOwner": "acme/site" }, "project": project(json!({}), 1) }),
    ] {
        let refused = touches(&lease, &["x"], json!([node]));
        assert_eq!(
            refused,
            Err("an id in `Mutation.of_x` is of nothing within the lease: `repositories` and `organization` of the purpose say what is".to_owned()),
            "{node}"
        );
    }
}

#[test]
fn one_id_of_another_repository_among_fifty_is_refused() {
    let lease = Lease::on("acme/site", "issues=write");
    let ids: Vec<_> = (0..51).map(|number| format!("I_{number:02}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let ours = json!({ "repository": { "nameWithOwner": "acme/site" } });
    let mut nodes = vec![ours; 51];
    assert!(touches(&lease, &ids, json!(nodes)).is_ok());
    nodes[37] = json!({ "repository": { "nameWithOwner": "acme/other" } });
    let refused = touches(&lease, &ids, json!(nodes)).unwrap_err();
    assert_eq!(
        refused,
        "an id in `Mutation.of_I_37` is of nothing within the lease: `repositories` and `organization` of the purpose say what is"
    );
    nodes.pop();
    assert!(
        touches(&lease, &ids, json!(nodes))
            .unwrap_err()
            .contains("did not say")
    );
}

#[test]
fn a_hundred_ids_are_asked_about_at_a_time() {
    let ids = (0..250).map(|number| format!("I_{number:03}"));
    let named = Named {
        ids: ids.map(at).collect(),
        ..Named::default()
    };
    let asked = named.question();
    let query = asked["query"].as_str().unwrap();
    assert!(
        query.starts_with("query($i0:[ID!]!$i1:[ID!]!$i2:[ID!]!){i0:nodes(ids:$i0){"),
        "{query}"
    );
    let lengths = ["i0", "i1", "i2"].map(|name| asked["variables"][name].as_array().unwrap().len());
    assert_eq!(lengths, [100, 100, 50]);
    let ours = json!({ "nameWithOwner": "acme/site" });
    let nodes = |count| json!(vec![ours.clone(); count]);
    let lease = Lease::on("acme/site", "issues=write");
    let within = |data| named.within(&lease.scope(), answer(data));
    assert!(within(json!({ "i0": nodes(100), "i1": nodes(100), "i2": nodes(50) })).is_ok());
    let cut = within(json!({ "i0": nodes(100), "i1": nodes(100) }));
    assert_eq!(cut, Err(Refused::Ids));
    assert_eq!(within(json!(null)), Err(Refused::Ids));
}

#[test]
fn a_repository_that_an_input_names_is_there_under_its_name() {
    let named = Named {
        repositories: ["acme/site".parse().unwrap()].into(),
        ..Named::default()
    };
    assert_eq!(
        named.question()["query"],
        "query{r0:repository(owner:\"acme\" name:\"site\" followRenames:false){nameWithOwner}} "
    );
    let lease = Lease::on("acme/site", "contents=write");
    let within = |data| named.within(&lease.scope(), answer(data));
    assert!(within(json!({ "r0": { "nameWithOwner": "Acme/Site" } })).is_ok());
    for gone in [json!(null), json!({ "nameWithOwner": "other/site" })] {
        let refused = within(json!({ "r0": gone })).unwrap_err().to_string();
        assert_eq!(refused, "no repository is called `acme/site` now");
    }
    assert_eq!(within(json!({})), Err(Refused::Ids));
}
