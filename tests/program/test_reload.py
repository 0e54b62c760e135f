"""New configuration for a running router."""

import signal


def test_sighup_reads_the_file_again(route, make_upstream):
    first, second = make_upstream(), make_upstream()
    router = route(first)
    before = len(router.lines)
    router.configure([{"endpoint": second.url, "name": "other"}], auth={"keys": ["another-key-0123456789"]})
    router.signal(signal.SIGHUP)
    router.wait_for_line(r"configuration was read again", after=before)
    assert router.ask().status == 403
    assert router.ask(key="another-key-0123456789").header("x-route-upstream") == "other"


def test_a_bad_file_leaves_the_old_configuration_in_force(route, upstream):
    router = route(upstream)
    before = len(router.lines)
    (router.directory / "openai-api-route.toml").write_text("[server]\nlissen = 1\n")
    router.signal(signal.SIGHUP)
    router.wait_for_line("lissen", after=before)
    assert router.ask().status == 200


def test_what_needs_a_restart_is_named(route, upstream):
    router = route(upstream)
    before = len(router.lines)
    router.configure([upstream], server={"threads": 2})
    router.signal(signal.SIGHUP)
    router.wait_for_line("(?i)threads.*restart|restart.*threads", after=before)
    assert router.ask().status == 200
