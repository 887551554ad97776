#include "agent/cli/html/style.h"

namespace attestd::cli {

Markup page_style() {
    return R"css(
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1c2128;--soft:#57606a;--line:#d8dadd;
--ok:#1a6840;--ok-bg:#e6f3eb;--warn:#825200;--warn-bg:#fcf1d9;--bad:#a1241c;--bad-bg:#fbe8e6;
--calm:#44515f;--calm-bg:#eceff2;--header:#8c959f;--body:#3f7fbf;--signature:#b5852a;--enclave:#7b63b5;
--certificates:#4c9a6a;--padding:#d0d4d9}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1c2026;--ink:#e3e6ea;--soft:#9aa4af;--line:#343b44;
--ok:#6fcf97;--ok-bg:#17301f;--warn:#e3b25c;--warn-bg:#352a12;--bad:#f28b82;--bad-bg:#3d1c1a;
--calm:#aab6c3;--calm-bg:#272d35;--header:#7d8792;--body:#5b9bd9;--signature:#cfa14a;--enclave:#9c86d4;
--certificates:#64b585;--padding:#3b434d}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main,header.top,footer{max-width:68rem;margin:0 auto;padding:0 1.25rem}
header.top{padding-top:2.25rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:2.75rem 0 .5rem;font-weight:650}
h3{font-size:1rem;margin:0 0 .15rem;font-weight:650}
p{margin:.25rem 0}
.kind{color:var(--soft);margin:0 0 .4rem;font-size:.85rem;letter-spacing:.04em;text-transform:uppercase}
.muted,.lead,.meaning{color:var(--soft)}
.file,.value,.hex,.num,.name,code,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.file{overflow-wrap:anywhere;font-size:.9rem}
.verdict{margin:1.25rem 0 0;padding:1rem 1.25rem;border:1px solid var(--tone);border-left-width:6px;border-radius:6px;
background:var(--tone-bg)}
.verdict strong{display:block;font-size:1.35rem;line-height:1.3;color:var(--tone)}
.verdict dl,.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem .9rem;margin:.6rem 0 0;
font-size:.9rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.ok{--tone:var(--ok);--tone-bg:var(--ok-bg)}
.warn{--tone:var(--warn);--tone-bg:var(--warn-bg)}
.bad{--tone:var(--bad);--tone-bg:var(--bad-bg)}
.calm{--tone:var(--calm);--tone-bg:var(--calm-bg)}
.badge{display:inline-block;padding:.05rem .55rem;border:1px solid var(--tone);border-radius:1rem;color:var(--tone);
background:var(--tone-bg);font-size:.78rem;font-weight:600;line-height:1.5;white-space:nowrap}
ol.chain{list-style:none;margin:1rem 0 0;padding:0}
.link{display:grid;grid-template-columns:minmax(0,1fr);gap:.75rem}
.card{position:relative;background:var(--card);border:1px solid var(--line);border-left:5px solid var(--tone);
border-radius:6px;padding:.85rem 1.1rem}
.card .badge{float:right;margin-left:.75rem}
.card p{color:var(--soft);font-size:.92rem}
.facts{font-size:.85rem}
.facts dd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.8rem;
line-height:1.65}
.asides{display:grid;gap:.75rem;margin-left:1.75rem;align-content:start}
.aside{border-style:dashed;border-left:5px solid var(--tone);padding:.65rem .9rem}
.aside h3{font-size:.92rem}
.aside .facts{grid-template-columns:minmax(0,1fr);gap:0}
.aside dt{margin-top:.3rem}
.verb{display:flex;align-items:center;gap:.7rem;margin:0;padding:.35rem 0 .35rem 1.6rem;color:var(--soft);
font-size:.85rem;font-style:italic}
.arrow{width:14px;height:34px;flex:none}
.arrow path{stroke:var(--soft);fill:none;stroke-width:1.6}
.hits{list-style:none;margin:.6rem 0 0;padding:.5rem 0 0;border-top:1px solid var(--line);font-size:.85rem}
.hits li{margin:.15rem 0;overflow-wrap:anywhere}
.hits .badge,.findings .badge{float:none;margin:0 .4rem 0 0}
.findings{list-style:none;margin:.75rem 0 0;padding:0;background:var(--card);border:1px solid var(--line);border-radius:6px}
.findings li{padding:.6rem 1rem .65rem;border-top:1px solid var(--line);border-left:5px solid var(--tone)}
.findings li:first-child{border-top:0;border-top-left-radius:6px}
.findings p{font-size:.92rem;overflow-wrap:anywhere;margin:.2rem 0 0}
.id{font-size:.88rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;vertical-align:top;padding:.38rem .7rem .38rem 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.8rem}
tbody th{font-weight:550;overflow-wrap:anywhere}
.fields{table-layout:fixed}
.fields th:first-child{width:12.5rem}
.fields th:nth-child(2){width:50%}
.value,.hex{font-size:.8rem;line-height:1.6;overflow-wrap:anywhere}
.meaning{padding-right:0}
.flags{display:inline-block;color:var(--warn);font-size:.82rem;font-weight:600}
.group{margin:1.5rem 0 0;padding-left:1rem;border-left:2px solid var(--line)}
.format{font-weight:400;color:var(--soft);margin-left:.4rem}
.group .group{margin-top:1rem}
.scroll{overflow-x:auto}
.records td{font-size:.8rem;overflow-wrap:anywhere;min-width:6.5rem}
.records td:last-child{min-width:16rem}
.strip{display:block;width:100%;height:44px;border-radius:5px;margin-top:1rem}
.strip rect{stroke:var(--bg);stroke-width:.6}
rect.g-header{fill:var(--header)}rect.g-body{fill:var(--body)}rect.g-signature{fill:var(--signature)}
rect.g-enclave{fill:var(--enclave)}rect.g-certificates{fill:var(--certificates)}rect.g-padding{fill:var(--padding)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:.7rem 0 1rem;padding:0;font-size:.85rem}
.swatch{width:.75rem;height:.75rem;margin-right:.4rem;border-radius:2px}
.bytes .name{min-width:8.5rem;overflow-wrap:anywhere}
.bytes .hex{min-width:8.5rem}
.bytes .num{text-align:right;white-space:nowrap;font-size:.8rem}
.bytes th:nth-child(-n+3){text-align:right}
.bytes .name{font-size:.8rem;border-left:4px solid var(--tint);padding-left:.6rem}
td.g-header{--tint:var(--header)}td.g-body{--tint:var(--body)}td.g-signature{--tint:var(--signature)}
td.g-enclave{--tint:var(--enclave)}td.g-certificates{--tint:var(--certificates)}td.g-padding{--tint:var(--padding)}
footer{margin-top:3rem;padding-bottom:2.5rem;color:var(--soft);font-size:.85rem}
footer p{border-top:1px solid var(--line);padding-top:1rem}
@media (min-width:60rem){
.link.has-asides{grid-template-columns:minmax(0,1fr) 21rem;gap:1.75rem}
.asides{margin:0;position:relative}
.asides .aside::before{content:"";position:absolute;left:-1.9rem;top:1.25rem;width:1.55rem;
border-top:1.5px dashed var(--soft)}
}
@media (max-width:44rem){
body{font-size:15px}
.fields,.fields tbody,.fields tr,.fields th,.fields td{display:block;width:auto}
.fields thead{display:none}
.fields tr{border-top:1px solid var(--line);padding:.5rem 0}
.fields th:first-child,.fields th,.fields td{border:0;padding:.05rem 0;width:auto}
.fields .meaning:empty{display:none}
.meaning{font-size:.85rem}
.verdict dl,.card>.facts{grid-template-columns:minmax(0,1fr);gap:0}
.card dt,.verdict dt{margin-top:.3rem}
.bytes .dec{display:none}
.group{padding-left:.7rem}
}
@media print{
:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--ok:#0d5730;--ok-bg:#fff;--warn:#6b4400;--warn-bg:#fff;
--bad:#8c1a13;--bad-bg:#fff;--calm:#333;--calm-bg:#fff}
body{font-size:10pt}
main,header.top,footer{max-width:none;padding:0}
h2{break-after:avoid}h3{break-after:avoid}
.card,.findings li,tr{break-inside:avoid}
.strip,.legend,.card,.findings li,.name{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.scroll{overflow:visible}
@page{margin:16mm 14mm}
}
)css";
}

}  // namespace attestd::cli
