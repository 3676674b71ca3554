"""What every endpoint is built on: routes, parameters, cursors, responses, problems, tokens, the OpenAPI document."""
