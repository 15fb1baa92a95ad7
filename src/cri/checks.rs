//! What makes a successful reply unacceptable. As upstream's `cri-client` checks its replies; pure.

use cri_proto::v1;

use crate::cri::CriError;

fn refuse(text: impl Into<String>) -> CriError {
    CriError::Reply(text.into())
}

/// All four fields must be there.
pub fn version(reply: &v1::VersionResponse) -> Result<(), CriError> {
    if reply.version.is_empty()
        || reply.runtime_name.is_empty()
        || reply.runtime_version.is_empty()
        || reply.runtime_api_version.is_empty()
    {
        return Err(refuse(format!(
            "not all fields are set in VersionResponse ({:?}, {:?}, {:?}, {:?})",
            reply.version, reply.runtime_name, reply.runtime_version, reply.runtime_api_version
        )));
    }
    Ok(())
}

/// Id, metadata and creation time must be there.
pub fn sandbox_status(status: &v1::PodSandboxStatus) -> Result<(), CriError> {
    if status.id.is_empty() {
        return Err(refuse("status.Id is not set"));
    }
    let Some(metadata) = &status.metadata else { return Err(refuse("status.Metadata is not set")) };
    if metadata.name.is_empty() || metadata.namespace.is_empty() || metadata.uid.is_empty() {
        return Err(refuse(format!(
            "metadata.Name, metadata.Namespace or metadata.Uid is not in metadata \"name:{:?} uid:{:?} namespace:{:?}\"",
            metadata.name, metadata.uid, metadata.namespace
        )));
    }
    if status.created_at == 0 {
        return Err(refuse("status.CreatedAt is not set"));
    }
    Ok(())
}

/// Id, metadata, creation time, image and image reference must be there.
pub fn container_status(status: &v1::ContainerStatus) -> Result<(), CriError> {
    if status.id.is_empty() {
        return Err(refuse("status.Id is not set"));
    }
    match &status.metadata {
        None => return Err(refuse("status.Metadata is not set")),
        Some(metadata) if metadata.name.is_empty() => {
            return Err(refuse("metadata.Name is not in metadata"));
        }
        Some(_) => {}
    }
    if status.created_at == 0 {
        return Err(refuse("status.CreatedAt is not set"));
    }
    if status.image.as_ref().is_none_or(|i| i.image.is_empty()) {
        return Err(refuse("status.Image is not set"));
    }
    if status.image_ref.is_empty() {
        return Err(refuse("status.ImageRef is not set"));
    }
    Ok(())
}

/// An image that is there must have an id and a size.
pub fn image_status(image: &v1::Image) -> Result<(), CriError> {
    if image.id.is_empty() || image.size == 0 {
        return Err(refuse(format!(
            "Id or size of image {:?} is not set",
            image.repo_tags.first().unwrap_or(&image.id)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn good() -> v1::ContainerStatus {
        v1::ContainerStatus {
            id: "c".into(),
            metadata: Some(v1::ContainerMetadata { name: "web".into(), attempt: 0 }),
            created_at: 1,
            image: Some(v1::ImageSpec { image: "nginx".into(), ..Default::default() }),
            image_ref: "sha256:1".into(),
            ..Default::default()
        }
    }

    #[rstest]
    #[case(|_: &mut v1::ContainerStatus| {}, None)]
    #[case(|s: &mut v1::ContainerStatus| s.id.clear(), Some("status.Id is not set"))]
    #[case(|s: &mut v1::ContainerStatus| s.metadata = None, Some("status.Metadata is not set"))]
    #[case(|s: &mut v1::ContainerStatus| s.created_at = 0, Some("status.CreatedAt is not set"))]
    #[case(|s: &mut v1::ContainerStatus| s.image = None, Some("status.Image is not set"))]
    #[case(|s: &mut v1::ContainerStatus| s.image_ref.clear(), Some("status.ImageRef is not set"))]
    fn container_status_needs(#[case] change: fn(&mut v1::ContainerStatus), #[case] error: Option<&str>) {
        let mut status = good();
        change(&mut status);
        assert_eq!(container_status(&status).err().map(|e| e.to_string()).as_deref(), error);
    }
}
