import pytest

from harken.config import load_config
from harken.errors import HarkenError
from serve.graph import application
from serve.graph_settings import GraphSettings
from tests.tiny_service import CONFIG


def test_one_process_listens_at_an_address() -> None:
    with pytest.raises(HarkenError, match=r"ingress\.most is 2.*proxies"):
        load_config(CONFIG, ["ingress.most=2"], GraphSettings)
    assert load_config(CONFIG, ["ingress.most=2", "service.listen.by=proxies"], GraphSettings).ingress.most == 2


def test_serve_run_knows_no_machine_at_whose_address_an_ingress_could_listen() -> None:
    settings = load_config(CONFIG, [], GraphSettings)
    with pytest.raises(HarkenError, match=r"service\.listen\.by.*proxies"):
        application(settings.model_dump(mode="json"))
