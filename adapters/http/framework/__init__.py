"""What every endpoint stands on: routes, parameters, cursors, answers, problems, tokens, the OpenAPI document."""
