"""OpenAI's Responses dialect: a request as a chat completion's, and its answer as a response, whole or in events."""
