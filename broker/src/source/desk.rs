//! The desk.
use super::*;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

pub enum OnePassword {
    None,
}
pub struct Desk {
    pub one: OnePassword,
}
impl Ask for Desk {
    fn read<'a>(
        &'a self,
        _s: &'a SourceSpec,
        _t: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, SourceError>> {
        async { Err(SourceError::NotHere) }.boxed()
    }
    fn cost(&self, _s: &SourceSpec) -> u32 {
        0
    }
}
