from fleet.core.config.locate import key_lines


def test_tables_keys_and_dotted_keys():
    text = '# first\nmapping = "shared"\n\n[run]\nseed = 3\n\n[world] # grid\nrobots = 4\n"max_steps" = 5\n'
    lines = key_lines(text)
    assert lines["mapping",] == 2
    assert lines["run",] == 4
    assert lines["run", "seed"] == 5
    assert lines["world", "robots"] == 8
    assert lines["world", "max_steps"] == 9
    assert key_lines("run.seed = 3\nworld.robots = 4")["world", "robots"] == 2


def test_inline_tables():
    lines = key_lines("\nworld = { robots = 4, map = 'x' }\n")
    assert lines["world", "robots"] == 2


def test_text_that_looks_like_keys_is_no_key():
    text = '[world]\nlayout = """\n[run]\nrobots = 9\n"""\nrobots = 4\n'
    lines = key_lines(text)
    assert ("run",) not in lines
    assert lines["world", "layout"] == 2
    assert lines["world", "robots"] == 6


def test_arrays_over_several_lines():
    lines = key_lines("mapping = [\n  [0, 1],\n  [2],\n]\nrun.seed = 1\n")
    assert lines["mapping",] == 1
    assert lines["run", "seed"] == 5


def test_windows_line_ends():
    assert key_lines("[run]\r\n\r\nseed = 1\r\n")["run", "seed"] == 3


def test_arrays_of_tables_count_their_tables():
    text = "[[fault]]\nround = 1\n\n#\n[[ fault ]] #\nround = 2\n[rates]\nround = 3\n[[faults.fault]]\nround = 4\n"
    lines = key_lines(text)
    assert (lines["fault",], lines["fault", "0"], lines["fault", "0", "round"]) == (1, 1, 2)
    assert (lines["fault", "1"], lines["fault", "1", "round"]) == (5, 6)
    assert (lines["rates", "round"], lines["faults", "fault", "0", "round"]) == (8, 10)
    inline = key_lines("a = 1\nfault = [{round = 1}, {round = 2}]\n")
    assert inline["fault", "1", "round"] == 2
