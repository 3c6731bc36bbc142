//! Fields of releases and their files.

use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Found, leaf, maybe, nothing, page, time};
use super::super::thing::Thing;
use super::user_of;

pub(super) fn release(
    call: &Call<'_>,
    (of, id): (u64, u64),
    name: &str,
    arguments: &Arguments,
) -> Option<Found> {
    let state = call.state();
    let repository = state.repositories.get(&of)?;
    let it = repository
        .releases
        .iter()
        .find(|release| release.id == id)?;
    let latest = repository.releases.last().is_some_and(|last| last.id == id);
    Some(match name {
        "databaseId" => leaf(id),
        "name" => leaf(it.name.as_str()),
        "tagName" => leaf(it.tag.as_str()),
        "isDraft" => leaf(it.draft),
        "author" => user_of(&state, &it.by),
        "createdAt" | "publishedAt" | "updatedAt" => time(it.at),
        "isLatest" => leaf(latest),
        "description" | "descriptionHTML" => leaf(it.body.as_str()),
        "repository" => Found::One(Thing::Repository(of)),
        "tag" => maybe(
            repository
                .qualified(&it.tag)
                .map(|name| Thing::Ref(of, name)),
        ),
        "tagCommit" => nothing(),
        "releaseAssets" => {
            let wanted = arguments.text("name");
            let assets = it.assets.iter();
            let assets = assets.filter(|asset| wanted.is_none_or(|name| asset.name == name));
            page(assets.map(|asset| Thing::Asset(of, id, asset.id)))
        }
        _ => return None,
    })
}

pub(super) fn asset(
    call: &Call<'_>,
    (of, release, id): (u64, u64, u64),
    name: &str,
) -> Option<Found> {
    let state = call.state();
    let repository = state.repositories.get(&of)?;
    let release = repository.releases.iter().find(|one| one.id == release)?;
    let it = release.assets.iter().find(|asset| asset.id == id)?;
    let full_name = repository.full_name();
    Some(match name {
        "name" => leaf(it.name.as_str()),
        "contentType" => leaf(it.kind.as_str()),
        "size" => leaf(it.bytes.len()),
        "downloadCount" => leaf(0),
        "url" | "downloadUrl" => leaf(format!(
            "https://github.com/{full_name}/releases/download/{}/{}",
            release.tag, it.name
        )),
        "createdAt" | "updatedAt" => time(release.at),
        "uploadedBy" if state.account_named(&release.by).is_some() => user_of(&state, &release.by),
        "release" => Found::One(Thing::Release(of, release.id)),
        _ => return None,
    })
}
