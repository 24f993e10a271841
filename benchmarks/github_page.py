"""A README as GitHub shows it: a page of that shape, in our own words, around the Markdown."""

import re
from html import escape

_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_CODE = re.compile(r'<pre lang="([\w+-]+)"><code>(.*?)</code></pre>', re.DOTALL)
_ICON = (
    '<svg class="octicon" viewBox="0 0 16 16" width="16" height="16"><path d="M8 0"></path></svg>'
)
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<title>GitHub - example/{name}: An example</title>
<meta property="og:site_name" content="GitHub"><meta property="og:type" content="object">
<meta name="twitter:card" content="summary_large_image"></head>
<body class="logged-out env-production">
<div class="position-relative header-wrapper"><a href="#start-of-content" class="show-on-focus">Skip
to content</a><header class="HeaderMktg header-logged-out" role="banner"><h2 class="sr-only">
Navigation Menu</h2><nav class="HeaderMenu-nav" aria-label="Global"><ul><li>
<button>Product</button><div
class="dropdown-menu"><ul><li><a href="/copilot">Copilot: write better code with AI</a></li>
<li><a href="/actions">Actions: automate any workflow</a></li></ul></div></li><li><a
href="/pricing">Pricing plans</a></li></ul></nav><a href="/login">Sign in</a></header></div>
<div class="application-main"><main
id="js-repo-pjax-container"><div id="repository-container-header">
<strong class="mr-2"><a href="/example/{name}">{name}</a></strong><span class="Label">Public</span>
<ul class="pagehead-actions">
<li><a href="/login">Notifications</a></li><li><a href="/login">Fork 12</a></li></ul>
<nav class="js-repo-nav UnderlineNav" aria-label="Repository"><ul>
<li><a href="/c">Code</a></li><li><a
href="/i">Issues</a></li><li><a href="/p">Pull requests</a></li></ul></nav></div>
<div class="Layout"><div class="Layout-main"><div class="Box"><div data-hpc="true">
<article class="markdown-body entry-content container-lg" itemprop="text">{body}</article>
</div></div></div>
<div class="Layout-sidebar"><div class="BorderGrid"><h2>About</h2><p class="f4">An example of a
repository</p><h3 class="sr-only">Topics</h3><div><a class="topic-tag" href="/t/p">python</a> <a
class="topic-tag" href="/t/s">search</a></div><h3 class="sr-only">Stars</h3><div>
<a href="/s"><strong>310</strong> stars</a></div>
<h2><a href="/r">Releases <span>9</span></a></h2></div>
</div></div></main></div><footer class="footer" role="contentinfo"><h2 class="sr-only">Footer</h2>
<span>© 2026 GitHub, Inc.</span><nav aria-label="Footer"><ul><li><a href="/terms">Terms</a></li>
<li><a href="/privacy">Privacy</a></li><li><a href="/status">Status</a></li></ul></nav></footer>
</body></html>"""


def as_page(name: str, body: str) -> str:
    body = _CODE.sub(_code, _HEADING.sub(_heading, body))
    return _PAGE.format(name=escape(name), body=body)


def _heading(found: re.Match[str]) -> str:
    level, inner = found.groups()
    plain = re.sub(r"<[^>]*>", "", inner)
    anchor = re.sub(r"[^\w-]", "", plain.lower().replace(" ", "-"))
    return (
        f'<div class="markdown-heading" dir="auto"><h{level} tabindex="-1" class="heading-element" '
        f'dir="auto">{inner}</h{level}><a id="user-content-{anchor}" class="anchor" '
        f'aria-label="Permalink: {escape(plain)}" href="#{anchor}">{_ICON}</a></div>'
    )


def _code(found: re.Match[str]) -> str:
    language, inner = found.groups()
    return (
        f'<div class="highlight highlight-source-{language} notranslate" dir="auto"><pre>{inner}'
        f'</pre><div class="zeroclipboard-container"><clipboard-copy aria-label="Copy" '
        f'value="{inner[:40]}">{_ICON}</clipboard-copy></div></div>'
    )
