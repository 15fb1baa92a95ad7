//! The `apiVersion` of an object in its parts, as upstream's `schema.ParseGroupVersion`. Which versions exist is not asked here.

/// `group/version`; the core group has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupVersion<'a> {
    /// `apps`; empty for the core group.
    pub group: &'a str,
    /// `v1`.
    pub version: &'a str,
}

/// A text with more than one slash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected GroupVersion string: {0}")]
pub struct GroupVersionError(String);

impl<'a> GroupVersion<'a> {
    /// Reads an `apiVersion`. Either part may be empty: whether that is wrong, the caller knows.
    ///
    /// # Errors
    /// [`GroupVersionError`].
    pub fn parse(text: &'a str) -> Result<Self, GroupVersionError> {
        match text.split_once('/') {
            None => Ok(Self { group: "", version: text }),
            Some((_, version)) if version.contains('/') => Err(GroupVersionError(text.to_owned())),
            Some((group, version)) => Ok(Self { group, version }),
        }
    }

    /// The text of the two: a version alone where the group has no name.
    pub fn text(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "", "", "")]
    #[case("v1", "", "v1", "v1")]
    #[case("apps/v1", "apps", "v1", "apps/v1")]
    #[case("/v1", "", "v1", "v1")]
    #[case("apps/", "apps", "", "apps/")]
    fn one_slash_parts_group_and_version(
        #[case] text: &str,
        #[case] group: &str,
        #[case] version: &str,
        #[case] again: &str,
    ) {
        let read = GroupVersion::parse(text).expect("good");
        assert_eq!((read.group, read.version, read.text().as_str()), (group, version, again));
    }

    #[test]
    fn two_slashes_are_too_many() {
        let error = GroupVersion::parse("a/b/c").expect_err("bad").to_string();
        assert_eq!(error, "unexpected GroupVersion string: a/b/c");
    }
}
