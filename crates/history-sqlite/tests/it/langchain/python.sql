-- Written by LangChain: langchain-core 0.1.53, langchain-community 0.0.38 (sqlite3 FILE .dump).
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE message_store (
	id INTEGER NOT NULL, 
	session_id TEXT, 
	message TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO message_store VALUES(1,'user-7','{"type": "human", "data": {"content": "Hi there my friend", "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null, "example": false}}');
INSERT INTO message_store VALUES(2,'user-7','{"type": "ai", "data": {"content": "Hello! \u00e9 \ud83d\ude00 \u0000 \n ''quoted''", "additional_kwargs": {}, "response_metadata": {}, "type": "ai", "name": null, "id": null, "example": false, "tool_calls": [], "invalid_tool_calls": []}}');
INSERT INTO message_store VALUES(3,'user-7','{"type": "system", "data": {"content": "Be terse.", "additional_kwargs": {}, "response_metadata": {}, "type": "system", "name": null, "id": null}}');
INSERT INTO message_store VALUES(4,'user-7','{"type": "human", "data": {"content": "a question that was never answered", "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null, "example": false}}');
INSERT INTO message_store VALUES(5,'user-7','{"type": "human", "data": {"content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null, "example": false}}');
INSERT INTO message_store VALUES(6,'user-7','{"type": "ai", "data": {"content": "", "additional_kwargs": {"function_call": {"name": "x", "arguments": "{}"}}, "response_metadata": {"finish_reason": "stop"}, "type": "ai", "name": null, "id": null, "example": false, "tool_calls": [{"name": "look", "args": {"at": [1, 2.5, null]}, "id": "c1"}], "invalid_tool_calls": []}}');
INSERT INTO message_store VALUES(7,'user-7','{"type": "tool", "data": {"content": "a cat", "additional_kwargs": {}, "response_metadata": {}, "type": "tool", "name": null, "id": null, "tool_call_id": "c1"}}');
INSERT INTO message_store VALUES(8,'user-7','{"type": "function", "data": {"content": "42", "additional_kwargs": {}, "response_metadata": {}, "type": "function", "name": "answer", "id": null}}');
INSERT INTO message_store VALUES(9,'user-7','{"type": "chat", "data": {"content": "I disagree.", "additional_kwargs": {}, "response_metadata": {}, "type": "chat", "name": null, "id": null, "role": "critic"}}');
INSERT INTO message_store VALUES(10,'user-7','{"type": "AIMessageChunk", "data": {"content": "A c", "additional_kwargs": {}, "response_metadata": {}, "type": "AIMessageChunk", "name": null, "id": null, "example": false, "tool_calls": [], "invalid_tool_calls": [], "tool_call_chunks": []}}');
INSERT INTO message_store VALUES(11,'user-7','{"type": "HumanMessageChunk", "data": {"content": "chunked", "additional_kwargs": {}, "response_metadata": {}, "type": "HumanMessageChunk", "name": null, "id": null, "example": true}}');
INSERT INTO message_store VALUES(12,'it''s é','{"type": "human", "data": {"content": "hi", "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null, "example": false}}');
INSERT INTO message_store VALUES(13,'it''s é','{"type": "ai", "data": {"content": "hello", "additional_kwargs": {}, "response_metadata": {}, "type": "ai", "name": null, "id": null, "example": false, "tool_calls": [], "invalid_tool_calls": []}}');
COMMIT;
