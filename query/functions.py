"""Functions that SQL of users may call.

An allow-list, because ClickHouse has over a thousand functions, more with each release, and some of them read files,
dictionaries, other tables, settings or the machine (`file`, `dictGet`, `joinGet`, `getSetting`, `hostName`), wait
(`sleep`) or can be told to fail (`throwIf`). Names are compared in lower case; an aggregate's combinators are cut off first.
"""

from __future__ import annotations

from typing import Final

_AGGREGATES: Final = """
any anyheavy anylast argmax argmin avg avgweighted corr count covarpop covarsamp deltasum entropy
exponentialmovingaverage grouparray grouparraymovingavg grouparraymovingsum grouparraysample groupbitand groupbitor
groupbitxor groupuniqarray histogram kurtpop kurtsamp mannwhitneyutest max maxmap median medianexact min minmap
quantile quantiledeterministic quantileexact quantileexacthigh quantileexactinclusive quantileexactlow
quantileexactweighted quantileinterpolatedweighted quantiles quantilesexact quantilestdigest quantilestiming
quantiletdigest quantiletdigestweighted quantiletiming rankcorr simplelinearregression skewpop skewsamp sequencecount
sequencematch stddev stddevpop stddevsamp stochasticlinearregression studentttest sum sumcount sumkahan summap
sumwithoverflow topk topkweighted uniq uniqcombined uniqcombined64 uniqexact uniqhll12 variance varpop varsamp
welchttest windowfunnel retention var_pop var_samp stddev_pop stddev_samp covar_pop covar_samp
"""

_WINDOWS: Final = """
cume_dist dense_rank denserank first_value lag laginframe last_value lead leadinframe nth_value ntile percent_rank
percentrank rank row_number
"""

_NUMBERS: Final = """
abs acos asin atan atan2 bitand bitcount bitnot bitor bitshiftleft bitshiftright bitxor cbrt ceil ceiling cos cosh
cutipv6 degrees divide e erf erfc exp exp10 exp2 factorial floor gcd greatest hypot intdiv intdivorzero intexp10 intexp2
isfinite isinfinite isnan ifnotfinite lcm least lgamma ln log log10 log1p log2 max2 min2 minus mod modulo moduloorzero
multiply negate pi plus positivemodulo pow power radians round roundage roundbankers rounddown roundduration
roundtoexp2 sigmoid sign sin sinh sqrt tan tanh tgamma trunc truncate widthbucket width_bucket
"""

_LOGIC: Final = """
and assumenotnull caseWithExpression coalesce empty equals greaterorequals greater if ifnull in isnotnull isnull isnullable
iszeroornull lessorequals less like ilike multiif not notempty notequals notilike notin notlike nullif nvl or tonullable
transform xor
"""

_TEXT: Final = """
appendtrailingcharifabsent ascii base64decode base64encode bin char_length character_length charlength
concat concatassumeinjective concat_ws concatwithseparator countmatches countsubstrings decodeurlcomponent
encodeurlcomponent domain domainwithoutwww endswith extract extractall extractallgroupshorizontal
extractallgroupsvertical extractgroups format hex initcap initcaputf8 instr isvalidutf8 lcase left leftpad leftutf8 length
lengthutf8 levenshteindistance editdistance locate lower lowerutf8 lpad ltrim match mid multisearchany
multisearchallpositions multisearchfirstindex ngramdistance ngramsearch normalizequery path position
positioncaseinsensitive positionutf8 regexpextract regexp_extract regexp_like regexp_replace replace replaceall replaceone
replaceregexpall replaceregexpone reverse reverseutf8 right rightpad rightutf8 rpad rtrim soundex
split splitbychar splitbynonalpha splitbyregexp splitbystring splitbywhitespace startswith starts_with ends_with substr substring
substringindex substring_index substringutf8 tovalidutf8 trim trimboth trimleft trimright ucase unhex upper upperutf8
alphatokens ngrams tokens arraystringconcat
"""

_TIMES: Final = """
addDays addHours addMicroseconds addMilliseconds addMinutes addMonths addNanoseconds addQuarters addSeconds addWeeks addYears
age date date_add date_diff date_sub date_trunc datediff datetrunc date_bin dateadd datesub day dayofmonth dayofweek
dayofyear formatdatetime
fromunixtimestamp from_unixtime fromunixtimestamp64micro fromunixtimestamp64milli fromunixtimestamp64nano hour interval
makedate makedatetime makedatetime64 minute month monthname now now64 parsedatetime parsedatetime64besteffort
parsedatetimebesteffort parsedatetimebesteffortornull quarter second subtractdays subtracthours subtractminutes
subtractmonths subtractseconds subtractweeks subtractyears timeslot timeslots timestamp timestamp_add timestamp_sub timestamp_trunc
timezone
timezoneof timezoneoffset today todate todateornull todateorzero todatetime todatetime64 todatetime64ornull
todatetime64orzero todatetimeornull todatetimeorzero todayofmonth todayofweek todayofyear tohour tointervalday
tointervalhour tointervalmicrosecond tointervalmillisecond tointervalminute tointervalmonth tointervalnanosecond
tointervalquarter tointervalsecond tointervalweek tointervalyear toisoweek toisoyear tolastdayofmonth tominute tomonday
tomonth toquarter torelativedaynum torelativehournum torelativeminutenum torelativesecondnum tosecond tostartofday
tostartoffifteenminutes tostartoffiveminutes tostartoffiveminute tostartofhour tostartofinterval tostartofminute tostartofmonth
tostartofquarter tostartofsecond tostartofmillisecond tostartoftenminutes tostartofweek tostartofyear totime totimezone tounixtimestamp
tounixtimestamp64micro tounixtimestamp64milli tounixtimestamp64nano toweek toyear toyearweek toyyyymm toyyyymmdd
toyyyymmddhhmmss tumble tumbleend tumblestart hop hopend hopstart week weekday year yesterday curdate current_date current_timestamp
unix_timestamp
"""

_CASTS: Final = """
accuratecast accuratecastordefault accuratecastornull cast reinterpretasint64 reinterpretasuint64 tobool
todecimal32 todecimal64 todecimal128 tofixedstring tofloat32 tofloat64 tofloat64ornull tofloat64orzero tofloat64ordefault
toint8 toint16 toint32 toint32ornull toint32orzero toint64 toint64ordefault toint64ornull toint64orzero toint128 toint256
tolowcardinality tostring totypename touint8 touint8ornull touint8orzero touint16 touint16ornull touint16orzero touint32
touint32ornull touint32orzero touint64 touint64ordefault touint64ornull touint64orzero touint128 touint256 touuid
touuidornull tojsonstring try_cast trycast
"""

_COLLECTIONS: Final = """
array arrayall arrayauc arrayavg arraycompact arrayconcat arraycount arraycumsum arraycumsumnonnegative arraydifference
arraydistinct arrayelement arrayenumerate arrayenumeratedense arrayenumerateuniq arrayexists arrayfill arrayfilter
arrayfirst arrayfirstindex arrayfirstornull arrayflatten arrayfold arrayintersect arrayjaccardindex arrayjoin arraylast
arraylastindex arraylastornull arraymap arraymax arraymin arraypartialsort arraypopback arraypopfront arrayproduct
arraypushback arraypushfront arrayreduce arrayreverse arrayreversesort arrayreversefill arrayrotateleft arrayrotateright arrayshingles
arrayslice arraysort arraysplit arraysum arrayuniq arrayzip countequal emptyarraystring emptyarrayuint64 flatten has hasall
hasany hassubstr indexof kql_array_sort_asc range tuple tupleelement tuplehammingdistance untuple
map mapadd mapapply mapcontains mapcontainskey mapcontainskeylike mapextractkeylike mapfilter mapfromarrays mapkeys mappopulateseries
mapsort mapreversesort mapconcat mapexists mapall mapsubtract mapupdate mapvalues named_tuple
"""

_JSON: Final = """
isvalidjson json_exists json_query json_value jsonarraylength jsonextract jsonextractarrayraw jsonextractbool
jsonextractfloat jsonextractint jsonextractkeys jsonextractkeysandvalues jsonextractkeysandvaluesraw jsonextractraw
jsonextractstring jsonextractuint jsonhas jsonkey jsonlength jsontype simplejsonextractbool simplejsonextractfloat
simplejsonextractint simplejsonextractraw simplejsonextractstring simplejsonextractuint simplejsonhas visitparamextractstring
visitparamextractint visitparamhas
"""

_OTHER: Final = """
bar cityhash64 formatreadabledecimalsize formatreadablequantity formatreadablesize formatreadabletimedelta
farmhash64 halfmd5 identity ignore lower materialize md5 murmurhash3_64 neighbor numbers runningdifference sha1 sha256 siphash64 uniqthetaintersect
xxhash32 xxhash64 generateuuidv4 ipv4numtostring ipv6numtostring rownumberinallblocks rownumberinblock rand rand64 columns
"""

_TYPES: Final = """
array bool date date32 datetime datetime64 decimal enum8 enum16 fixedstring float32 float64 int8 int16 int32 int64
lowcardinality map nested nullable string tuple uint8 uint16 uint32 uint64 uuid
"""

_SYNTAX: Final = """
all and any array as asc between by case columns desc distinct else end except exists extract filter from global having ilike in
interval intersect into is join lateral like limit not offset on or over partition prewhere qualify replace rows range select sets grouping
set then union using when where with rollup cube
"""

ALLOWED: Final = frozenset(
    " ".join(
        (_AGGREGATES, _WINDOWS, _NUMBERS, _LOGIC, _TEXT, _TIMES, _CASTS, _COLLECTIONS, _JSON, _OTHER, _TYPES)
    )
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
