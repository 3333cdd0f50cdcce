//! The kind of an error, by its status or by what its server calls it.

use conversant_core::StatusKind;

/// Returns the kind of an HTTP status.
pub(super) fn kind_of_status(status: u16) -> StatusKind {
    match status {
        400 => StatusKind::BadRequest,
        401 => StatusKind::Auth,
        402 => StatusKind::QuotaExhausted,
        403 => StatusKind::Permission,
        404 => StatusKind::NotFound,
        408 => StatusKind::RequestTimeout,
        409 => StatusKind::Conflict,
        413 => StatusKind::TooLarge,
        422 => StatusKind::Unprocessable,
        429 => StatusKind::RateLimit,
        503 | 529 => StatusKind::Overloaded,
        500..=599 => StatusKind::Server,
        _ => StatusKind::Other,
    }
}

/// Returns the kind of a code or type: OpenAI's, Anthropic's, llama.cpp's, vLLM's, Google's,
/// Moonshot's, or an HTTP status in their place.
pub(super) fn kind_of_name(name: &str) -> Option<StatusKind> {
    Some(match name {
        "insufficient_quota"
        | "insufficient_balance"
        | "exceeded_current_quota_error"
        | "billing_hard_limit_reached" => StatusKind::QuotaExhausted,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "tokens"
        | "requests"
        | "too_many_requests"
        | "RESOURCE_EXHAUSTED" => StatusKind::RateLimit,
        "invalid_api_key" | "authentication_error" | "UNAUTHENTICATED" => StatusKind::Auth,
        "permission_error" | "PERMISSION_DENIED" => StatusKind::Permission,
        "model_not_found" | "not_found_error" | "not_found" | "NOT_FOUND" | "NotFoundError" => {
            StatusKind::NotFound
        }
        "overloaded_error" | "unavailable_error" | "UNAVAILABLE" => StatusKind::Overloaded,
        "server_error"
        | "api_error"
        | "internal_server_error"
        | "InternalServerError"
        | "model_error"
        | "INTERNAL" => StatusKind::Server,
        "invalid_request_error"
        | "invalid_request"
        | "invalid_prompt"
        | "BadRequestError"
        | "INVALID_ARGUMENT"
        | "content_policy_violation"
        | "context_length_exceeded"
        | "exceed_context_size_error" => StatusKind::BadRequest,
        _ => {
            let status = name.parse().ok().filter(|status| (400..600).contains(status));
            return status.map(kind_of_status);
        }
    })
}
