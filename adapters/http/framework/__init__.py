"""The base of every endpoint: routes, parameters, cursors, answers, problems, tokens, the OpenAPI document."""
