"""The configuration: hookfold.toml and the environment. The public interface of this folder."""

from adapters.config.load import load
from adapters.config.secrets import make_secrets
from adapters.config.settings import ConfigError, Forward, Polling, Rate, Scope, Secret, Settings, Source, Token
from adapters.config.successor import next_key, put_in_place, waiting_key, with_key
from adapters.config.surroundings import config_path
from adapters.config.template import write_template
from adapters.config.values import duration_of, handler_url
