"""What the processes of a service have in common."""

from contextlib import closing
from pathlib import Path

from adapters.config import load
from wiring.components import wire_handed
from wiring.opening import open_components


def test_a_process_that_is_started_anew_holds_deliveries_by_its_services_name_and_no_other_service_does(
    sqlite_url: str, tmp_path: Path
):
    (tmp_path / "hookfold.toml").write_text('[sources.captions]\nprovider = "mentraos"\n')
    settings = load(None, {"HOOKFOLD_CONFIG": str(tmp_path / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": sqlite_url})

    with closing(open_components(settings, begin=True)) as service, closing(open_components(settings)) as other:
        lives = [wire_handed(service.handed(), "server") for _ in range(2)]
        for life in lives:
            life.close()

    assert {life.holder for life in lives} == {service.holder}
    assert service.holder != other.holder
