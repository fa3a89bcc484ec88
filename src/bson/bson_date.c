/*
 * bson_date.c
 *		MongoDB's dates to and from ISO 8601.
 *
 * A date of MongoDB is a signed 64-bit number of milliseconds, which reaches
 * over 292 million years either way: far beyond timestamptz, so the calendar
 * (proleptic Gregorian, counted from 1 March in eras of 400 years) is here.
 */
#include "postgres.h"

#include <ctype.h>

#include "bson/bson_date.h"

#define DAYS_PER_ERA	146097	/* 400 years */
#define DAYS_TO_1970	719468	/* from 0000-03-01 */
#define MSECS_PER_DAY	INT64CONST(86400000)

/* Whole years within this distance of 0 fit the milliseconds. */
#define YEAR_MAX		292000000

/* Days from 1970-01-01 to a date. */
static int64
days_from_date(int64 year, int month, int day)
{
	int64		era;
	int64		year_of_era;
	int64		day_of_year;

	if (month <= 2)
		year--;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4
		- year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

/* The date "days" after 1970-01-01; the year 0 is 1 BC. */
static void
date_from_days(int64 days, int64 *year, int *month, int *day)
{
	int64		era;
	int64		day_of_era;
	int64		year_of_era;
	int			day_of_year;
	int			shifted_month;	/* 0 = March */

	days += DAYS_TO_1970;
	era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	day_of_era = days - era * DAYS_PER_ERA;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524
				   - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted_month = (5 * day_of_year + 2) / 153;

	*day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	*month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	*year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

/* Read "min" to "max" digits and move *str behind them. */
static bool
read_digits(const char **str, int min, int max, int64 *value)
{
	int			n = 0;

	*value = 0;
	while (n < max && isdigit((unsigned char) **str))
	{
		*value = *value * 10 + (*(*str)++ - '0');
		n++;
	}
	return n >= min;
}

/* Read the separator and two digits that follow it, at most "max". */
static bool
read_two(const char **str, char separator, int64 max, int64 *value)
{
	if (**str != separator)
		return false;
	(*str)++;
	return read_digits(str, 2, 2, value) && *value <= max;
}

/* Read the calendar date; with "bc" 0001 is the year 0, 0002 the year -1. */
static bool
read_date(const char **str, bool bc, int64 *year, int *month, int *day)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		negative = **str == '-';
	int64		m;
	int64		d;
	bool		leap;

	if (**str == '-' || **str == '+')
		(*str)++;
	if (!read_digits(str, 4, 9, year) || *year > YEAR_MAX ||
		!read_two(str, '-', 12, &m) || !read_two(str, '-', 31, &d))
		return false;
	if (bc && (negative || *year == 0))
		return false;
	if (bc)
		*year = 1 - *year;
	else if (negative)
		*year = -*year;
	leap = *year % 4 == 0 && (*year % 100 != 0 || *year % 400 == 0);
	if (m < 1 || d < 1 || d > month_days[m - 1] + (m == 2 && leap ? 1 : 0))
		return false;
	*month = (int) m;
	*day = (int) d;
	return true;
}

/*
 * Read a time of day with an optional fraction into milliseconds, the
 * fraction rounded half up.  24:00 is the next day's beginning, and a second
 * 60 the next minute's, as PostgreSQL reads them.
 */
static bool
read_time(const char **str, int64 *ms)
{
	int64		hour;
	int64		minute;
	int64		second = 0;
	int64		fraction = 0;

	if (!read_digits(str, 2, 2, &hour) || hour > 24 || !read_two(str, ':', 59, &minute))
		return false;
	if (**str == ':')
	{
		if (!read_two(str, ':', 60, &second))
			return false;
		if (**str == '.' || **str == ',')
		{
			int			n = 0;

			for ((*str)++; isdigit((unsigned char) **str); (*str)++, n++)
				if (n < 4)
					fraction = fraction * 10 + (**str - '0');
			if (n == 0)
				return false;
			for (; n < 4; n++)
				fraction *= 10;
		}
	}
	*ms = ((hour * 60 + minute) * 60 + second) * 1000 + (fraction + 5) / 10;
	return hour < 24 || *ms == MSECS_PER_DAY;
}

/* Read Z, an offset (+hh, +hhmm, +hh:mm, +hh:mm:ss) or nothing: UTC. */
static bool
read_zone(const char **str, int64 *ms)
{
	int64		hour;
	int64		minute = 0;
	int64		second = 0;
	char		sign = **str;

	*ms = 0;
	if (sign == 'Z' || sign == 'z')
	{
		(*str)++;
		return true;
	}
	if (sign != '+' && sign != '-')
		return true;
	(*str)++;
	if (!read_digits(str, 2, 2, &hour) || hour > 23)
		return false;
	if (isdigit((unsigned char) **str))
	{
		if (!read_digits(str, 2, 2, &minute) || minute > 59)
			return false;
	}
	else if (**str == ':')
	{
		if (!read_two(str, ':', 59, &minute) ||
			(**str == ':' && !read_two(str, ':', 59, &second)))
			return false;
	}
	*ms = ((hour * 60 + minute) * 60 + second) * 1000;
	if (sign == '-')
		*ms = -*ms;
	return true;
}

/*
 * Milliseconds since 1970 of an ISO 8601 date, or date and time, with any
 * zone offset; none means UTC.  What PostgreSQL's to_json() writes for date,
 * timestamp and timestamptz is taken whole, a " BC" at the end too.  False
 * when it is not such a text.
 */
bool
covet_bson_date_parse(const char *str, int64 *ms)
{
	int64		year;
	int			month;
	int			day;
	int64		time = 0;
	int64		zone = 0;
	size_t		len = strlen(str);
	const char *end = str + len;

	if (len > 3 && strcmp(end - 3, " BC") == 0)
		end -= 3;
	if (!read_date(&str, *end != '\0', &year, &month, &day))
		return false;
	if (str < end && (*str == 'T' || *str == 't' || *str == ' '))
	{
		str++;
		if (!read_time(&str, &time) || !read_zone(&str, &zone))
			return false;
	}
	if (str != end)
		return false;

	*ms = days_from_date(year, month, day) * MSECS_PER_DAY + time - zone;
	return true;
}

/*
 * A date as ISO 8601 in UTC with milliseconds, into COVET_BSON_DATE_LEN
 * bytes.  Years before 1 are written with " BC", as PostgreSQL reads them.
 */
void
covet_bson_date_format(int64 ms, char *buf)
{
	int64		days = ms / MSECS_PER_DAY;
	int			rest = (int) (ms % MSECS_PER_DAY);
	int64		year;
	int			month;
	int			day;

	if (rest < 0)
	{
		rest += (int) MSECS_PER_DAY;
		days--;
	}
	date_from_days(days, &year, &month, &day);
	snprintf(buf, COVET_BSON_DATE_LEN, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ%s",
			 (long long) (year > 0 ? year : 1 - year), month, day,
			 rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000,
			 year > 0 ? "" : " BC");
}
