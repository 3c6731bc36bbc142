//! Writing and erasing values: by the broker where it can, else by an operator.

use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;

use super::{SourceContext, SourceError, Sources};

impl Sources {
    /// Whether the broker can write a value there, and erase it. Elsewhere an operator does. Not for the
    /// vault.
    #[must_use]
    pub fn can_write(&self, spec: &SourceSpec) -> bool {
        self.find(spec).is_ok_and(|(source, _)| source.can_write())
    }

    /// Writes a value, in place of what is there; erases it without one. Not while the place is read. A
    /// value that is not there is erased already.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. It may have happened all the same, and [`Self::read_now`] tells.
    pub async fn change(
        &self,
        spec: &SourceSpec,
        value: Option<&AccessToken>,
        context: &dyn SourceContext,
    ) -> Result<(), SourceError> {
        let (source, place) = self.find(spec)?;
        let (reading, _epoch) = self.cache.reading(spec);
        let _alone = reading.lock().await;
        source.change(place, value, context).await
    }

    /// Says how an operator puts a value there: half a sentence. `value` says which one.
    #[must_use]
    pub fn how_to_put(&self, spec: &SourceSpec, value: &str) -> String {
        match self.find(spec) {
            Ok((source, place)) => source.how_to_put(place, value),
            Err(_vault) => format!("put {value} into {spec}"),
        }
    }

    /// Says how an operator removes the old copy of a value that moved to `new`: half a sentence.
    #[must_use]
    pub fn how_to_remove(&self, spec: &SourceSpec, new: &SourceSpec) -> String {
        match self.find(spec) {
            Ok((source, place)) => source.how_to_remove(place, new),
            Err(_vault) => format!("remove the old copy in {spec}"),
        }
    }

    /// Whether a place may have several names.
    #[must_use]
    pub fn has_aliases(&self, spec: &SourceSpec) -> bool {
        self.find(spec)
            .is_ok_and(|(source, _)| source.has_aliases())
    }

    /// Whether both may be one place, by what they are called.
    #[must_use]
    pub fn may_be_same(&self, one: &SourceSpec, other: &SourceSpec) -> bool {
        one == other
            || matches!(
                (self.find(one), self.find(other)),
                (Ok((source, one)), Ok((_, other)))
                    if one.scheme() == other.scheme() && source.may_be_same(one, other)
            )
    }
}
