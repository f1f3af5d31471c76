//! What a tool can answer with.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use rmcp::{tool, tool_router};
use serde_json::json;

use crate::Everything;

/// A red pixel, in base64.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";

/// One wave of a tone, in base64.
const WAV: &str = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQgAAAAAAABAAAAAwA==";

#[tool_router(router = content, vis = "pub(crate)")]
impl Everything {
    /// Answers with a text.
    #[tool(annotations(read_only_hint = true))]
    fn test_simple_text() -> String {
        "This is a simple text response for testing.".to_owned()
    }

    /// Answers with an image.
    #[tool(annotations(read_only_hint = true))]
    fn test_image_content() -> ContentBlock {
        ContentBlock::image(PNG, "image/png")
    }

    /// Answers with a sound.
    #[tool(annotations(read_only_hint = true))]
    fn test_audio_content() -> ContentBlock {
        ContentBlock::audio(WAV, "audio/wav")
    }

    /// Answers with a resource.
    #[tool(annotations(read_only_hint = true))]
    fn test_embedded_resource() -> ContentBlock {
        let text = "This is an embedded resource content.";
        ContentBlock::resource(ResourceContents::text(text, "test://embedded-resource"))
    }

    /// Answers with a text, an image and a resource.
    #[tool(annotations(read_only_hint = true))]
    fn test_multiple_content_types() -> CallToolResult {
        let data = json!({ "test": "data", "value": 123 }).to_string();
        CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PNG, "image/png"),
            ContentBlock::resource(
                ResourceContents::text(data, "test://mixed-content-resource").with_mime_type("application/json"),
            ),
        ])
    }

    /// Fails, in a way that a model can read.
    #[tool(annotations(read_only_hint = true))]
    fn test_error_handling() -> Result<String, String> {
        Err("This tool intentionally returns an error for testing".to_owned())
    }
}
