//! What stands before the catalogue: updates go one way, questions the other.

use hickory_net::runtime::Time;
use hickory_proto::op::{MessageType, OpCode};
use hickory_server::{
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::Catalog,
};

use super::update::Updates;

/// Sends each request to the part that knows about it.
pub(super) struct Front {
    catalog: Catalog,
    updates: Updates,
}

impl Front {
    pub(super) fn new(catalog: Catalog, updates: Updates) -> Self {
        Self { catalog, updates }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Front {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, reply: R) -> ResponseInfo {
        let metadata = &request.metadata;
        if metadata.op_code == OpCode::Update && metadata.message_type == MessageType::Query {
            self.updates.answer(request, reply, T::current_time()).await
        } else {
            self.catalog.handle_request::<R, T>(request, reply).await
        }
    }
}
