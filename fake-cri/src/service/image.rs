//! `runtime.v1.ImageService` over the fake runtime: one line a call.

use std::pin::Pin;

use cri_proto::v1::{self, image_service_server::ImageService};
use futures_util::{Stream, stream};
use tonic::{Request, Response, Status, async_trait};

use super::Service;

type Reply<T> = Result<Response<T>, Status>;

#[async_trait]
impl ImageService for Service {
    type StreamImagesStream = Pin<Box<dyn Stream<Item = Result<v1::StreamImagesResponse, Status>> + Send>>;

    async fn list_images(&self, request: Request<v1::ListImagesRequest>) -> Reply<v1::ListImagesResponse> {
        self.call("ListImages", request, |runtime, request| async move {
            Ok(v1::ListImagesResponse { images: runtime.list_images(request.filter.as_ref()) })
        })
        .await
    }

    async fn stream_images(&self, request: Request<v1::StreamImagesRequest>) -> Reply<Self::StreamImagesStream> {
        self.stream("StreamImages", request, |runtime, request| {
            let images = runtime.list_images(request.filter.as_ref());
            let messages: Vec<_> =
                images.chunks(256).map(|batch| Ok(v1::StreamImagesResponse { images: batch.to_vec() })).collect();
            Ok(Box::pin(stream::iter(messages)) as Self::StreamImagesStream)
        })
        .await
    }

    async fn image_status(&self, request: Request<v1::ImageStatusRequest>) -> Reply<v1::ImageStatusResponse> {
        self.call("ImageStatus", request, |runtime, request| async move { runtime.image_status(&request) }).await
    }

    async fn pull_image(&self, request: Request<v1::PullImageRequest>) -> Reply<v1::PullImageResponse> {
        self.call("PullImage", request, |runtime, request| async move { runtime.pull_image(&request).await }).await
    }

    async fn remove_image(&self, request: Request<v1::RemoveImageRequest>) -> Reply<v1::RemoveImageResponse> {
        self.call("RemoveImage", request, |runtime, request| async move {
            runtime.remove_image(&request).map(|()| v1::RemoveImageResponse {})
        })
        .await
    }

    async fn image_fs_info(&self, request: Request<v1::ImageFsInfoRequest>) -> Reply<v1::ImageFsInfoResponse> {
        self.call("ImageFsInfo", request, |runtime, _| async move { Ok(runtime.image_fs_info()) }).await
    }
}
