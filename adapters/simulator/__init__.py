"""Simulates signed traffic of the four providers and sends it to a service."""

from adapters.simulator.first import FIRST, first_curl
from adapters.simulator.message import Message, ScenarioContext
from adapters.simulator.player import play
from adapters.simulator.reader import Reader
from adapters.simulator.scenarios import SCENARIOS, Scenario
from adapters.simulator.sender import Answer, Sender, Unreachable
from adapters.simulator.traffic import disturbed, plays
