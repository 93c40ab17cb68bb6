"""Chat templates are written out as the library writes them, and none costs more than it may."""

from pathlib import Path
from time import perf_counter

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from anatomy.refused import Refused
from models.text import rendering
from models.text.rendering import Conversation, write_out

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi, {{ you }} <b>&amp;</b> “北京”\n"}
ASSISTANT = {"role": "assistant", "content": " Hello. "}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
CONVERSATIONS = (
    Conversation((USER,)),
    Conversation((USER,), prompt=True),
    Conversation((SYSTEM, USER), prompt=True),
    Conversation((SYSTEM, USER, ASSISTANT, USER), prompt=True),
    Conversation((SYSTEM, USER, ASSISTANT)),
)
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "ChatML": CHATML,
    "Llama 2": (
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
        "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
        "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    "Llama 3, with tools": (
        "{{- bos_token }}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n"
        "{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
        '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
        '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
        "{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n"
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n"
        "    {%- set messages = messages[1:] %}\n{%- else %}\n"
        '    {%- set system_message = "" %}\n{%- endif %}\n'
        '{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}\n'
        '{{- "Today Date: " + date_string + "\\n\\n" }}\n{{- system_message }}\n{{- "<|eot_id|>" }}\n'
        "{%- if tools is not none %}\n    {%- for t in tools %}\n        {{- t | tojson(indent=4) }}\n"
        "    {%- endfor %}\n{%- endif %}\n{%- for message in messages %}\n"
        "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + "
        "'<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"
    ),
    "Mistral": (
        "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles') }}"
        "{% endif %}{% endfor %}"
    ),
    "Gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
        "{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
    ),
    "Zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
    "Qwen3": (
        "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n"
        "{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        '    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and '
        "not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n"
        "        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n"
        "    {%- endif %}\n{%- endfor %}\n{%- for message in messages %}\n"
        "    {%- set content = message.content if message.content is string else '' %}\n"
        "    {{- '<|im_start|>' + message.role + '\\n' + content.split('</think>')[-1].lstrip('\\n') }}\n"
        "    {%- if message.reasoning_content is defined %}{{- message.reasoning_content }}{%- endif %}\n"
        "    {{- '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n"
        "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}"
    ),
    "DeepSeek": (
        "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
        "{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}"
        "{%- for message in messages %}{%- if message['role'] == 'system' %}"
        "{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}"
        "{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}"
        "{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' %}"
        "{{'<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor -%}"
        "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}"
    ),
    "generation blocks": (
        "{% for message in messages %}{% if message.role == 'assistant' %}{% generation %}{{ message.content }}"
        "{{ eos_token }}{% endgeneration %}{% else %}{{ message.content }}{% endif %}{% endfor %}"
    ),
    "loop controls": (
        "{% for message in messages %}{% if message.role == 'system' %}{% continue %}{% endif %}"
        "{{ message.content }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}"
    ),
    "JSON": "{{ messages | tojson }}{{ messages | tojson(indent=2, sort_keys=true, ensure_ascii=true) }}",
    "macros": (
        "{% macro say(message, last) -%}  {{ message.role | upper }}: {{ message.content | replace('b', 'c') }}\n"
        "{%- endmacro %}\n{% for message in messages %}\n{{ say(message, loop.last) }}\n{% endfor %}\n"
    ),
    "dictionaries": (
        "{% set names = dict(user='U', system='S', assistant='A') %}{% set more = dict.fromkeys(names, 1) %}"
        "{% for message in messages %}{{ names[message.role] }}{{ more | length }}{% endfor %}"
        "{% for key, value in names.items() | sort %}{{ key ~ value }}{% endfor %}"
    ),
    "white space": "  {% if messages %}  \n  {{ messages[0].content }}  \n  {%- endif %}\n\n {# nothing #}\n x\n",
    "no variables": "always the same",
}
NESTED = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}"
HOSTILE = {
    "nested loops": NESTED,
    "nested loops that write nothing": NESTED.replace("{{ a }}", ""),
    "a power": "{{ 10 ** (10 ** 8) }}",
    "a power of powers": "{{ 9 ** (9 ** (9 ** 9)) }}",
    "numbers that are squared again and again": (
        "{% set n = namespace(x=3) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}{{ n.x }}"
    ),
    "a text times a number": "{{ 'x' * 10 ** 10 }}",
    "a list times a number": "{{ ([0] * 10 ** 10) | length }}",
    "a text that is doubled again and again": (
        "{% set n = namespace(x='x') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
    ),
    "a wide format": "{{ '%10000000000d' % 1 }}",
    "a wide centre": "{{ 'x' | center(10 ** 10) }}",
    "a long join": "{{ ('y' * 10 ** 5).join(('x' * 10 ** 6) | list) }}",
    "a long replacement": "{{ ('a' * 10 ** 5) | replace('a', 'b' * 10 ** 5) | length }}",
    "much filler": "{{ lipsum(n=10 ** 7) }}",
    "a long text": "{{ 'x' * (3 * 10 ** 6) }}",
    "macros that call themselves": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "macros that call themselves twice": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "brackets in brackets": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
    "lists in lists": "{{ " + "[" * 3_000 + "]" * 3_000 + " }}",
    "conditions in conditions": "{% if 1 %}" * 2_000 + "{% endif %}" * 2_000,
    "the interpreter behind the sandbox": "{{ cycler.__init__.__globals__.os.system('exit') }}",
}


def _theirs(template: str, conversation: Conversation) -> str | None:
    """What the library writes; None where the template raises."""
    try:
        rendered, _ = render_jinja_template(
            [[dict(message) for message in conversation.messages]],
            chat_template=template,
            add_generation_prompt=conversation.prompt,
            **SPECIAL,
        )
    except Exception:
        return None
    return rendered[0]


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_write_what_they_write_in_the_library(name: str) -> None:
    written = 0
    for conversation in CONVERSATIONS:
        theirs = _theirs(TEMPLATES[name], conversation)
        if theirs is None:
            with pytest.raises(Refused, match="cannot write a conversation"):
                write_out(TEMPLATES[name], SPECIAL, [[conversation]])
        else:
            assert write_out(TEMPLATES[name], SPECIAL, [[conversation]]) == (0, [theirs])
            written += 1
    assert written


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_takes_too_much_is_stopped(name: str) -> None:
    began = perf_counter()
    with pytest.raises(Refused, match=r"is stopped|cannot write a conversation"):
        write_out(HOSTILE[name], SPECIAL, [[CONVERSATIONS[0]]])
    assert perf_counter() - began < rendering.SECONDS + 9  # on a machine with nothing else to do: 1.2 s


def test_the_sentence_names_the_limits() -> None:
    with pytest.raises(Refused, match=r"more than 1 s of computing or 512 MB, or writes more than 1,0\d\d,\d\d\d char"):
        write_out(HOSTILE["a text times a number"], SPECIAL, [[CONVERSATIONS[0]]])


def test_a_template_that_sleeps_through_its_computing_time_is_stopped_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 600)
    monkeypatch.setattr(rendering, "_PATIENCE", 0.5)
    with pytest.raises(Refused, match="is stopped"):
        write_out(HOSTILE["nested loops that write nothing"], SPECIAL, [[CONVERSATIONS[0]]])


def test_the_first_attempt_that_can_be_written_is() -> None:
    attempts = [[CONVERSATIONS[2]], [CONVERSATIONS[1], CONVERSATIONS[0]]]
    chosen, texts = write_out(TEMPLATES["Gemma"], SPECIAL, attempts)
    assert chosen == 1
    assert texts == [_theirs(TEMPLATES["Gemma"], one) for one in attempts[1]]


def test_a_long_text_is_written_whole() -> None:
    long = {"role": "user", "content": "北京 👩‍👩‍👧 " * 50_000}
    _, (text,) = write_out(CHATML, {}, [[Conversation((long,))]])
    assert text == f"<|im_start|>user\n{long['content']}<|im_end|>\n"


def test_a_program_that_cannot_be_started_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rendering.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Refused, match=r"could not be tried: .* broke off \(.*No such file.*\)\. .* may be whole"):
        write_out(CHATML, {}, [[CONVERSATIONS[0]]])


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("print('a word too many')", "exit code 0"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "exit code -15"),
        (r"import os; os.write(2, b'\xff\n'); os._exit(1)", r"\xff"),
    ],
)
def test_a_program_that_breaks_off_is_not_called_a_template_that_takes_too_much(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.py").write_text(program)
    monkeypatch.setattr(rendering, "_PROGRAM", tmp_path / "broken.py")
    with pytest.raises(Refused, match=r"could not be tried: the program that runs it broke off") as refused:
        write_out(CHATML, {}, [[CONVERSATIONS[0]]])
    assert f"({said})" in str(refused.value)
    assert said in caplog.text


@pytest.mark.parametrize("name", ["SIGPROF", "SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_program_that_is_ended_at_a_limit_is_told_as_such(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ended.py").write_text(f"import os, signal; os.kill(os.getpid(), signal.{name})")
    monkeypatch.setattr(rendering, "_PROGRAM", tmp_path / "ended.py")
    with pytest.raises(Refused, match="is stopped"):
        write_out(CHATML, {}, [[CONVERSATIONS[0]]])
