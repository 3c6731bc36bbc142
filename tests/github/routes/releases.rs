//! Releases, and their files, which are sent to a host of their own.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::identify::Who;
use super::super::objects::node;
use super::super::permission::Level;
use super::super::request::Request;
use super::super::state::{Asset, Release, Repository, State};
use super::repository::CONTENTS;
use super::{Needs, Outcome, accepted, by_number, hex, linked, page_at};

const WRITE: Needs = Needs(&[("contents", Level::Write)]);

impl State {
    pub(super) fn releases_call(
        &mut self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let needs = match request.verb() {
            "GET" => CONTENTS,
            _ => WRITE,
        };
        let id = self.open(request, who, place, needs)?.id;
        let repository = &self.repositories[&id];
        let all = &repository.releases;
        let by_id = |id: &str| all.iter().find(|one| one.id.to_string() == id);
        let found = match (request.verb(), rest, request.is_upload()) {
            ("GET", [], false) => {
                let path = by_number(repository, &["releases"]);
                let (shown, link) = page_at(request, &path, all.iter().rev().collect());
                let shown = shown.into_iter();
                let list: Value = shown
                    .map(|one| self.release_object(request, repository, one))
                    .collect();
                return Ok(accepted(linked(Answer::json(200, list), link), needs));
            }
            ("POST", [], false) => return self.make_release(request, who, id),
            ("GET", ["assets", asset], false) => {
                let wanted = request.header("accept").unwrap_or_default();
                let answer = self.asset_answer(request, repository, asset);
                let answer = answer.filter(|_| wanted.contains("octet-stream"));
                return answer.ok_or_else(Answer::not_found);
            }
            ("PATCH", [release], false) => {
                let release = by_id(release).ok_or_else(Answer::not_found)?.id;
                return self.change_release(request, (id, release));
            }
            ("POST", [release, "assets"], true) => {
                let release = by_id(release).ok_or_else(Answer::not_found)?.id;
                return self.upload(request, who, (id, release));
            }
            ("GET", ["tags", tag], false) => all.iter().find(|one| one.tag == *tag),
            ("GET", [release], false) => by_id(release),
            _ => None,
        };
        let found = found.ok_or_else(Answer::not_found)?;
        let object = self.release_object(request, repository, found);
        Ok(accepted(Answer::json(200, object), needs))
    }

    fn make_release(&mut self, request: &Request, who: &Who, id: u64) -> Outcome {
        let body = request.json()?;
        let missing = || Answer::invalid("Release", "tag_name", "missing_field");
        let tag = body["tag_name"].as_str().ok_or_else(missing)?;
        let mut known = self.repositories[&id].releases.iter();
        if known.any(|release| release.tag == tag) {
            return Err(Answer::invalid("Release", "tag_name", "already_exists"));
        }
        let release = Release {
            id: self.next_id(),
            tag: tag.to_owned(),
            name: tag.to_owned(),
            body: String::new(),
            draft: false,
            by: author(who),
            at: self.clock.now(),
            assets: Vec::new(),
        };
        let release = described(release, &body);
        let object = self.release_object(request, &self.repositories[&id], &release);
        self.releases_of(id).push(release);
        let location = object["url"].as_str().unwrap_or_default().to_owned();
        let answer = Answer::json(201, object).with("location", location);
        Ok(accepted(answer, WRITE))
    }

    fn change_release(&mut self, request: &Request, (id, release): (u64, u64)) -> Outcome {
        let body = request.json()?;
        let mut releases = self.releases_of(id).iter_mut();
        let release = releases.find(|one| one.id == release);
        let release = release.expect("it was just found");
        *release = described(release.clone(), &body);
        let release = release.clone();
        let object = self.release_object(request, &self.repositories[&id], &release);
        Ok(accepted(Answer::json(200, object), WRITE))
    }

    /// A file's bytes, or where a host of its own has them for whoever knows the address.
    fn asset_answer(&self, request: &Request, repository: &Repository, id: &str) -> Option<Answer> {
        let releases = repository.releases.iter();
        let mut assets = releases.flat_map(|release| &release.assets);
        let asset = assets.find(|asset| asset.id.to_string() == id)?;
        let answer = match &self.settings.downloads {
            Some(host) if !request.is_upload() => {
                let location = format!("{host}/release-assets/{id}?sig={}", signature(asset));
                Answer::empty(302).with("location", location)
            }
            _ => Answer::bytes(200, asset.bytes.clone()),
        };
        Some(accepted(answer, CONTENTS))
    }

    /// What that host has, without credentials.
    pub(super) fn download(&self, request: &Request, id: &str) -> Outcome {
        let releases = self.repositories.values().flat_map(|one| &one.releases);
        let mut assets = releases.flat_map(|release| &release.assets);
        let asset = assets.find(|asset| {
            let sent = request.query_value("sig");
            asset.id.to_string() == id && sent.as_deref() == Some(&signature(asset))
        });
        let asset = asset.ok_or_else(Answer::not_found)?;
        Ok(Answer::bytes(200, asset.bytes.clone()))
    }

    fn upload(&mut self, request: &Request, who: &Who, (id, release): (u64, u64)) -> Outcome {
        let missing = || Answer::invalid("ReleaseAsset", "name", "missing_field");
        let asset = Asset {
            id: self.next_id(),
            name: request.query_value("name").ok_or_else(missing)?,
            kind: request
                .header("content-type")
                .unwrap_or_default()
                .to_owned(),
            bytes: request.body.clone(),
        };
        let mut releases = self.releases_of(id).iter_mut();
        let release = releases.find(|one| one.id == release);
        let release = release.expect("it was just found");
        if release.assets.iter().any(|known| known.name == asset.name) {
            return Err(Answer::invalid("ReleaseAsset", "name", "already_exists"));
        }
        release.assets.push(asset.clone());
        let tag = (release.tag.clone(), author(who), release.at);
        let object = self.asset_object(request, &self.repositories[&id], &tag, &asset);
        Ok(accepted(Answer::json(201, object), WRITE))
    }

    fn releases_of(&mut self, id: u64) -> &mut Vec<Release> {
        let repository = self.repositories.get_mut(&id).expect("it was just opened");
        &mut repository.releases
    }

    fn release_object(
        &self,
        request: &Request,
        repository: &Repository,
        release: &Release,
    ) -> Value {
        let (api, full_name) = (request.api(), repository.full_name());
        let url = format!("{api}/repos/{full_name}/releases/{}", release.id);
        let uploads = url.replace("//api.", "//uploads.");
        let tag = (release.tag.clone(), release.by.clone(), release.at);
        let assets = release.assets.iter();
        let assets: Value = assets
            .map(|asset| self.asset_object(request, repository, &tag, asset))
            .collect();
        json!({
            "id": release.id, "node_id": node("RE", release.id), "url": url,
            "html_url": format!("https://github.com/{full_name}/releases/tag/{}", release.tag),
            "assets_url": format!("{url}/assets"),
            "upload_url": format!("{uploads}/assets{{?name,label}}"),
            "tarball_url": format!("{api}/repos/{full_name}/tarball/{}", release.tag),
            "zipball_url": format!("{api}/repos/{full_name}/zipball/{}", release.tag),
            "tag_name": release.tag, "target_commitish": "main", "name": release.name, "body": release.body,
            "draft": release.draft, "prerelease": false, "immutable": false,
            "created_at": iso(release.at), "published_at": iso(release.at),
            "author": self.account_object(&api, &release.by), "assets": assets,
        })
    }

    fn asset_object(
        &self,
        request: &Request,
        repository: &Repository,
        (tag, by, at): &(String, String, jiff::Timestamp),
        asset: &Asset,
    ) -> Value {
        let (api, full_name) = (request.api(), repository.full_name());
        let download = format!("https://github.com/{full_name}/releases/download/{tag}");
        json!({
            "id": asset.id, "node_id": node("RA", asset.id), "name": asset.name, "label": "",
            "url": format!("{api}/repos/{full_name}/releases/assets/{}", asset.id),
            "browser_download_url": format!("{download}/{}", asset.name),
            "state": "uploaded", "content_type": asset.kind, "size": asset.bytes.len(),
            "digest": format!("sha256:{}", hex(&Sha256::digest(&asset.bytes))),
            "download_count": 0, "created_at": iso(*at), "updated_at": iso(*at),
            "uploader": self.account_object(&api, by),
        })
    }
}

/// A release as a request describes it further.
fn described(mut release: Release, body: &Value) -> Release {
    if let Some(name) = body["name"].as_str() {
        name.clone_into(&mut release.name);
    }
    if let Some(text) = body["body"].as_str() {
        text.clone_into(&mut release.body);
    }
    release.draft = body["draft"].as_bool().unwrap_or(release.draft);
    release
}

/// What makes the address of a file hard to guess.
fn signature(asset: &Asset) -> String {
    hex(&Sha256::digest(asset.id.to_be_bytes()))
}

fn author(who: &Who) -> String {
    match who {
        Who::User(pat) => pat.login.clone(),
        Who::Installation(..) | Who::Anonymous | Who::App(_) => String::new(),
    }
}
