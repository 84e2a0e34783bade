"""Functions that SQL of users may call.

An allow-list, because ClickHouse has over a thousand functions, more with each release, and some of them read files,
dictionaries, other tables, settings or the machine (`file`, `dictGet`, `joinGet`, `getSetting`, `hostName`), wait
(`sleep`) or can be told to fail (`throwIf`). Names are compared in lower case, an aggregate's without combinators.
"""

from __future__ import annotations

from typing import Final

_AGGREGATES: Final = """
any anyheavy anylast argmax argmin avg avgweighted corr count covar_pop covar_samp covarpop covarsamp deltasum entropy
exponentialmovingaverage grouparray grouparraymovingavg grouparraymovingsum grouparraysample groupbitand groupbitor
groupbitxor groupuniqarray histogram kurtpop kurtsamp mannwhitneyutest max maxmap median medianexact min minmap
quantile quantiledeterministic quantileexact quantileexacthigh quantileexactinclusive quantileexactlow
quantileexactweighted quantileinterpolatedweighted quantiles quantilesexact quantilestdigest quantilestiming
quantiletdigest quantiletdigestweighted quantiletiming rankcorr retention sequencecount sequencematch
simplelinearregression skewpop skewsamp stddev stddev_pop stddev_samp stddevpop stddevsamp stochasticlinearregression
studentttest sum sumcount sumkahan summap sumwithoverflow topk topkweighted uniq uniqcombined uniqcombined64 uniqexact
uniqhll12 var_pop var_samp variance varpop varsamp welchttest windowfunnel
"""

_WINDOWS: Final = """
cume_dist dense_rank denserank first_value lag laginframe last_value lead leadinframe nth_value ntile percent_rank
percentrank rank row_number
"""

_NUMBERS: Final = """
abs acos asin atan atan2 bitand bitcount bitnot bitor bitshiftleft bitshiftright bitxor cbrt ceil ceiling cos cosh
degrees divide e erf erfc exp exp10 exp2 factorial floor gcd greatest hypot ifnotfinite intdiv intdivorzero intexp10
intexp2 isfinite isinfinite isnan lcm least lgamma ln log log10 log1p log2 max2 min2 minus mod modulo moduloorzero
multiply negate pi plus positivemodulo pow power radians round roundage roundbankers rounddown roundduration
roundtoexp2 sigmoid sign sin sinh sqrt tan tanh tgamma trunc truncate width_bucket widthbucket
"""

_LOGIC: Final = """
and assumenotnull casewithexpression coalesce empty equals greater greaterorequals if ifnull ilike in isnotnull isnull
isnullable iszeroornull less lessorequals like multiif not notempty notequals notilike notin notlike nullif nvl or
tonullable transform xor
"""

_TEXT: Final = """
alphatokens appendtrailingcharifabsent arraystringconcat ascii base64decode base64encode bin char char_length
character_length charlength concat concat_ws concatassumeinjective concatwithseparator countmatches countsubstrings
decodeurlcomponent domain domainwithoutwww editdistance encodeurlcomponent ends_with endswith extract extractall
extractallgroupshorizontal extractallgroupsvertical extractgroups format hex initcap initcaputf8 instr isvalidutf8
lcase left leftpad leftutf8 length lengthutf8 levenshteindistance locate lower lowerutf8 lpad ltrim match mid
multisearchallpositions multisearchany multisearchfirstindex ngramdistance ngrams ngramsearch normalizequery path
position positioncaseinsensitive positionutf8 printf regexp_extract regexp_like regexp_replace regexpextract repeat
replace replaceall replaceone replaceregexpall replaceregexpone reverse reverseutf8 right rightpad rightutf8 rpad
rtrim soundex space split splitbychar splitbynonalpha splitbyregexp splitbystring splitbywhitespace starts_with
startswith stringjaccardindex substr substring substring_index substringindex substringindexutf8 substringutf8 tokens
tovalidutf8 translate translateutf8 trim trimboth trimleft trimright ucase unhex upper upperutf8
"""

_TIMES: Final = """
adddays addhours addmicroseconds addmilliseconds addminutes addmonths addnanoseconds addquarters addseconds addweeks
addyears age curdate current_date current_timestamp date date_add date_bin date_diff date_sub date_trunc dateadd
datediff datesub datetrunc day dayofmonth dayofweek dayofyear formatdatetime from_unixtime fromunixtimestamp
fromunixtimestamp64micro fromunixtimestamp64milli fromunixtimestamp64nano hop hopend hopstart hour interval makedate
makedatetime makedatetime64 minute month monthname now now64 parsedatetime parsedatetime64besteffort
parsedatetimebesteffort parsedatetimebesteffortornull quarter second subtractdays subtracthours subtractminutes
subtractmonths subtractseconds subtractweeks subtractyears timeslot timeslots timestamp timestamp_add timestamp_sub
timestamp_trunc timezone timezoneof timezoneoffset todate todateornull todateorzero todatetime todatetime64
todatetime64ornull todatetime64orzero todatetimeornull todatetimeorzero today todayofmonth todayofweek todayofyear
tohour tointervalday tointervalhour tointervalmicrosecond tointervalmillisecond tointervalminute tointervalmonth
tointervalnanosecond tointervalquarter tointervalsecond tointervalweek tointervalyear toisoweek toisoyear
tolastdayofmonth tominute tomonday tomonth toquarter torelativedaynum torelativehournum torelativeminutenum
torelativesecondnum tosecond tostartofday tostartoffifteenminutes tostartoffiveminute tostartoffiveminutes
tostartofhour tostartofinterval tostartofmillisecond tostartofminute tostartofmonth tostartofquarter tostartofsecond
tostartoftenminutes tostartofweek tostartofyear totime totimezone tounixtimestamp tounixtimestamp64micro
tounixtimestamp64milli tounixtimestamp64nano toweek toyear toyearweek toyyyymm toyyyymmdd toyyyymmddhhmmss tumble
tumbleend tumblestart unix_timestamp week weekday year yesterday
"""

_CASTS: Final = """
accuratecast accuratecastordefault accuratecastornull cast reinterpretasint64 reinterpretasuint64 tobool todecimal128
todecimal32 todecimal64 tofixedstring tofloat32 tofloat64 tofloat64ordefault tofloat64ornull tofloat64orzero toint128
toint16 toint256 toint32 toint32ornull toint32orzero toint64 toint64ordefault toint64ornull toint64orzero toint8
tojsonstring tolowcardinality tostring totypename touint128 touint16 touint16ornull touint16orzero touint256 touint32
touint32ornull touint32orzero touint64 touint64ordefault touint64ornull touint64orzero touint8 touint8ornull
touint8orzero touuid touuidornull try_cast trycast
"""

_COLLECTIONS: Final = """
array arrayall arrayauc arrayavg arraycompact arrayconcat arraycount arraycumsum arraycumsumnonnegative
arraydifference arraydistinct arrayelement arrayenumerate arrayenumeratedense arrayenumerateuniq arrayexists arrayfill
arrayfilter arrayfirst arrayfirstindex arrayfirstornull arrayflatten arrayfold arrayintersect arrayjaccardindex
arrayjoin arraylast arraylastindex arraylastornull arraymap arraymax arraymin arraypartialsort arraypopback
arraypopfront arrayproduct arraypushback arraypushfront arrayreverse arrayreversefill arrayreversesort
arrayrotateleft arrayrotateright arrayshingles arrayslice arraysort arraysplit arraysum arrayuniq arrayzip countequal
emptyarraystring emptyarrayuint64 flatten has hasall hasany hassubstr indexof map mapadd mapall mapapply mapconcat
mapcontains mapcontainskey mapcontainskeylike mapexists mapextractkeylike mapfilter mapfromarrays mapkeys
mappopulateseries mapreversesort mapsort mapsubtract mapupdate mapvalues named_tuple range tuple tupleelement
tuplehammingdistance untuple
"""

_JSON: Final = """
isvalidjson json_exists json_query json_value jsonarraylength jsonextract jsonextractarrayraw jsonextractbool
jsonextractfloat jsonextractint jsonextractkeys jsonextractkeysandvalues jsonextractkeysandvaluesraw jsonextractraw
jsonextractstring jsonextractuint jsonhas jsonkey jsonlength jsontype simplejsonextractbool simplejsonextractfloat
simplejsonextractint simplejsonextractraw simplejsonextractstring simplejsonextractuint simplejsonhas
visitparamextractint visitparamextractstring visitparamhas
"""

_OTHER: Final = """
bar cityhash64 columns formatreadabledecimalsize formatreadablequantity formatreadablesize formatreadabletimedelta
generateuuidv4 lower materialize md5 murmurhash3_64 numbers rand rand64 rownumberinallblocks rownumberinblock sha1
sha256 siphash64 uniqthetaintersect xxhash32 xxhash64
"""

_TYPES: Final = """
array bool date date32 datetime datetime64 decimal enum16 enum8 fixedstring float32 float64 int16 int32 int64 int8
lowcardinality map nested nullable string tuple uint16 uint32 uint64 uint8 uuid
"""

_SYNTAX: Final = """
all and any array as asc between by case columns cube desc distinct else end except exists extract filter from global
grouping having ilike in intersect interval into is join lateral like limit not offset on or over partition prewhere
qualify range replace rollup rows select set sets then union using when where with
"""

ALLOWED: Final = frozenset(
    " ".join((_AGGREGATES, _WINDOWS, _NUMBERS, _LOGIC, _TEXT, _TIMES, _CASTS, _COLLECTIONS, _JSON, _OTHER, _TYPES))
    .lower()
    .split()
)
"""Names that may stand before an opening parenthesis."""

SYNTAX: Final = frozenset(_SYNTAX.split())
"""Keywords that may."""

AGGREGATES: Final = frozenset(_AGGREGATES.split())

COMBINATORS: Final = (
    "ordefault",
    "ornull",
    "distinct",
    "foreach",
    "argmax",
    "argmin",
    "array",
    "map",
    "if",
)
"""Endings of an aggregate's name that change how it is fed, lower case."""

TABLE_FUNCTIONS: Final = frozenset({"numbers"})


def allowed(name: str) -> bool:
    """Whether a name may stand before an opening parenthesis."""
    name = name.lower()
    if name in ALLOWED or name in SYNTAX:
        return True
    return _without_combinators(name) in AGGREGATES


def _without_combinators(name: str) -> str:
    for ending in COMBINATORS:
        if name.endswith(ending) and len(name) > len(ending):
            rest = name.removesuffix(ending)
            return rest if rest in AGGREGATES else _without_combinators(rest)
    return name
