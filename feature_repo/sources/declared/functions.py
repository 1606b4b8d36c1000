"""Functions that an expression of a declared table may call: they compute from one row, always the same.

A list of what is allowed, not of what is refused: a function that a later DuckDB brings is refused until it is here.
"""

from functools import cache

import duckdb

_LISTED = {
    "operators": """
        + - * / // % ** ^ & | ~ << >> || ! !~~ ~~ ~~* !~~* ~~~ ^@ @ @> <@ && <-> <=> ->> add subtract multiply
        divide mod xor __postfix __between
    """,
    "math": """
        abs acos acosh asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot degrees even exp
        factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least
        least_common_multiple lgamma ln log log10 log2 nextafter pi pow power radians round round_even roundbankers
        sign signbit sin sinh sqrt tan tanh trunc
    """,
    "text": """
        array_to_string ascii bar base64 bin char_length character_length chr concat concat_ws contains
        damerau_levenshtein decode editdist3 encode ends_with format formatreadabledecimalsize formatreadablesize
        format_bytes from_base64 from_binary from_hex hamming hex ilike_escape instr jaccard jaro_similarity
        jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein like_escape lower
        lpad ltrim md5 md5_number mismatches nfc_normalize not_ilike_escape not_like_escape octet_length bit_length
        ord overlay parse_dirname parse_dirpath parse_filename parse_formatted_bytes parse_path position prefix
        printf regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
        regexp_split_to_array repeat replace reverse right right_grapheme rpad rtrim sha1 sha256 split split_part
        starts_with str_split str_split_regex string_split string_split_regex string_to_array strip_accents strlen
        strpos substr substring substring_grapheme suffix to_base to_base64 to_binary to_hex translate trim ucase
        unbin unhex unicode upper url_decode url_encode
    """,
    "date parts": """
        age century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
        dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear
        julian last_day make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz
        microsecond millennium millisecond minute month monthname nanosecond normalized_interval quarter second
        strftime strptime time_bucket timezone timezone_hour timezone_minute to_centuries to_days to_decades
        to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds
        to_timestamp to_weeks to_years try_strptime week weekday weekofyear year yearweek uuid_extract_timestamp
        uuid_extract_version
    """,
    "JSON": """
        from_json from_json_strict json json_array json_array_length json_contains json_exists json_extract
        json_extract_path json_extract_path_text json_extract_string json_keys json_merge_patch json_object
        json_pretty json_quote json_structure json_transform json_transform_strict json_type json_valid json_value
        array_to_json row_to_json to_json
    """,
    "lists of the row": """
        apply array_aggr array_aggregate array_append array_apply array_cat array_concat array_contains
        array_cosine_distance array_cosine_similarity array_cross_product array_distance array_distinct
        array_dot_product array_extract array_filter array_grade_up array_has array_has_all array_has_any
        array_indexof array_inner_product array_intersect array_length array_negative_dot_product
        array_negative_inner_product array_pop_back array_pop_front array_position array_prepend array_push_back
        array_push_front array_reduce array_resize array_reverse array_reverse_sort array_select array_slice
        array_sort array_transform array_unique array_value array_where array_zip cardinality element_at filter
        flatten generate_series grade_up list_aggr list_aggregate list_any_value list_append list_apply list_avg
        list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat list_contains
        list_cosine_distance list_cosine_similarity list_count list_distance list_distinct list_dot_product
        list_element list_entropy list_extract list_filter list_first list_grade_up list_has list_has_all
        list_has_any list_histogram list_indexof list_inner_product list_intersect list_kurtosis list_kurtosis_pop
        list_last list_mad list_max list_median list_min list_mode list_negative_dot_product
        list_negative_inner_product list_pack list_position list_prepend list_product list_reduce list_resize
        list_reverse list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop
        list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop list_var_samp
        list_where list_zip range reduce
    """,
    "structs and maps": """
        map map_concat map_contains map_contains_entry map_contains_value map_entries map_extract map_extract_value
        map_from_entries map_keys map_values row struct_concat struct_contains struct_extract struct_extract_at
        struct_has struct_indexof struct_insert struct_keys struct_pack struct_position struct_update struct_values
        union_extract union_tag union_value
    """,
    "choices and hashes": """
        alias constant_or_null hash if nullif switch typeof get_type bit_position bitstring get_bit set_bit
    """,
}
"""Kind -> names of functions; coalesce, CASE, CAST, IN and BETWEEN are no functions of DuckDB, and allowed too."""
_ALLOWED = frozenset(name for names in _LISTED.values() for name in names.split())
_LAMBDAS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "list_", "array_")
    for name in ("transform", "apply", "filter", "reduce")
    if f"{prefix}{name}" in _ALLOWED
)
_OF_TEXT = """
    !~~ !~~* concat concat_ws contains ends_with length lower ltrim regexp_extract regexp_full_match regexp_matches
    regexp_replace replace rtrim split_part starts_with str_split string_split strptime substr substring trim
    try_strptime upper || ~~ ~~*
"""
OF_TEXT = frozenset(_OF_TEXT.split())
"""Functions whose columns are texts."""


def takes_lambda(name: str) -> bool:
    """Whether a function's second argument may be a lambda."""
    return name in _LAMBDAS


def refusal(name: str, arguments: int) -> str | None:
    """Why a call is refused; None if it is allowed. ``name`` in lower case."""
    if name == "age" and arguments < 2:
        return "age with one argument, which counts from today; write both times: age(later, earlier)"
    if name in _ALLOWED:
        return None
    kinds = _functions().get(name, frozenset())
    if "aggregate" in kinds:
        return f"the aggregate {name}, which reads other rows, also later ones"
    if "window" in kinds:
        return f"the window function {name}, which reads other rows, also later ones"
    if "changing" in kinds or name.startswith(("current_", "local")):
        return f"the function {name}, which differs from run to run or from session to session"
    if kinds & {"table", "table_macro"}:
        advice = "; name the column under explode" if name == "unnest" else ""
        return f"the table function {name}, which reads more than the row or makes rows{advice}"
    if name.startswith(("pg_", "has_", "inet_")) or name in ("user", "session_user"):
        return f"the function {name}, which tells about the session"
    if kinds:
        return f"the function {name}, which is none of the allowed functions ({', '.join(_LISTED)})"
    return f"the function {name}, which DuckDB does not have"


@cache
def _functions() -> dict[str, frozenset[str]]:
    """By name of a function of DuckDB: what it is."""
    found: dict[str, set[str]] = {}
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT function_name, function_type, stability FROM duckdb_functions()").fetchall()
    for name, kind, stability in rows:
        scalar = "row" if stability == "CONSISTENT" else "changing"
        if kind != "pragma":
            found.setdefault(name.lower(), set()).add(scalar if kind == "scalar" else kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}
