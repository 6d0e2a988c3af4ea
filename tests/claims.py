"""Sentences that are right about what they cite: word for word, and in other words; the subjects are invented."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """A claim, the sentences it cites, and what stands around them in the passage."""

    claim: str
    cited: tuple[str, ...]
    around: str = ""
    group: str = ""  # what goes to one half of the pairs together: the document, where many are about one


def _pair(claim: str, *cited: str, around: str = "") -> Pair:
    return Pair(claim, cited, around)


VERBATIM = tuple(
    _pair(sentence, sentence)
    for sentence in (
        "The ferry between Halmund and Tyrsø was cancelled on 14 October 2024 because of a storm.",
        "Mira Castellan joined the orchestra in 1998 and left it in 2011.",
        "The dam holds 3.4 million cubic metres of water when it is full.",
        "Inspectors did not find any trace of lead in the wells of Orrin Valley.",
        "The council may close the harbour bridge for 6 weeks next spring.",
        "Corvane Foods sold its bakery division to Lindqvist & Sons for $48 million.",
        "The museum has never lent the Veldt Codex to another institution.",
        "About 12 % of the seeds failed to sprout at 4 degrees Celsius.",
        "The two unions discussed a joint strike on Friday, 7 June 2019.",
        "Every ticket for the final at Northgate Stadium was sold within 40 minutes.",
        "Parliament rejected the amendment by 214 votes to 187.",
        "The telescope on Mount Arvel was built before the road to the summit was paved.",
        "Researchers at the Pelham Institute suggested that the fever is spread by ticks.",
        "The firm plans to hire 350 engineers in Bratislava by the end of 2026.",
        "No passenger was injured when the tram left the rails near Kessel Square.",
        "The river rose by 2.3 metres in two days and flooded the lower town.",
    )
)

PARAPHRASED = (
    _pair(
        "Owing to a storm, no ferry ran between Halmund and Tyrsø on October 14, 2024.",
        "The ferry between Halmund and Tyrsø was cancelled on 14 October 2024 because of a storm.",
    ),
    _pair(
        "Castellan was a member of the orchestra from 1998 to 2011.",
        "Mira Castellan joined the orchestra in 1998 and left it in 2011.",
    ),
    _pair(
        "When full, the dam stores 3,400,000 cubic metres of water.",
        "The dam holds 3.4 million cubic metres of water when it is full.",
    ),
    _pair(
        "The wells of Orrin Valley contained no lead, according to the inspectors.",
        "Inspectors did not find any trace of lead in the wells of Orrin Valley.",
    ),
    _pair(
        "The harbour bridge might be closed for six weeks in spring.",
        "The council may close the harbour bridge for 6 weeks next spring.",
    ),
    _pair(
        "Lindqvist & Sons bought the bakery division of Corvane Foods for 48 million dollars.",
        "Corvane Foods sold its bakery division to Lindqvist & Sons for $48 million.",
    ),
    _pair(
        "The Veldt Codex has not once been lent to another institution.",
        "The museum has never lent the Veldt Codex to another institution.",
    ),
    _pair(
        "At 4 °C, some 12 percent of the seeds did not sprout.",
        "About 12 % of the seeds failed to sprout at 4 degrees Celsius.",
    ),
    _pair(
        "A joint strike was discussed by the two unions in June 2019.",
        "The two unions discussed a joint strike on Friday, 7 June 2019.",
    ),
    _pair(
        "Tickets for the final at Northgate Stadium sold out in 40 minutes.",
        "Every ticket for the final at Northgate Stadium was sold within 40 minutes.",
    ),
    _pair(
        "The amendment failed in parliament, with 187 votes for and 214 against.",
        "Parliament rejected the amendment by 214 votes to 187.",
    ),
    _pair(
        "The road to the summit was paved after the telescope on Mount Arvel had been built.",
        "The telescope on Mount Arvel was built before the road to the summit was paved.",
    ),
    _pair(
        "Ticks may spread the fever, researchers at the Pelham Institute believe.",
        "Researchers at the Pelham Institute suggested that the fever is spread by ticks.",
    ),
    _pair(
        "By the end of 2026, the firm intends to take on 350 engineers in Bratislava.",
        "The firm plans to hire 350 engineers in Bratislava by the end of 2026.",
    ),
    _pair(
        "A tram derailed near Kessel Square, but nobody was injured.",
        "No passenger was injured when the tram left the rails near Kessel Square.",
    ),
    _pair(
        "Within two days the river had risen 2.3 m, and the lower town was flooded.",
        "The river rose by 2.3 metres in two days and flooded the lower town.",
    ),
    _pair(
        "Brackenfjord's pilot with four models lasted twelve weeks and cost 1.2 million euros.",
        "For twelve weeks this spring, four language models shared that work.",
        "It cost 1.2 million euros, of which 0.5 million went to vendors, 0.4 million to hardware and 0.3 million "
        "to training for staff.",
        around="Brackenfjord Shipping ends its four-model pilot.",
    ),
    _pair(
        "Preparing a customs declaration took 6.5 minutes on average, down from 19.",
        "The average time to prepare one fell from 19 minutes to 6.5 minutes.",
        around="Customs declarations improved most.",
    ),
    _pair(
        "The share of declarations accepted at first submission climbed from 91.2% to 96.8%.",
        "The share accepted at first submission rose from 91.2 % to 96.8 %, measured on a sample of 8,300.",
        around="Customs declarations improved most.",
    ),
    _pair(
        "Only a third of the drafts in Greek and Turkish were sent unchanged, against 58 % overall.",
        "Vendor B's drafts were sent unchanged in 58 % of cases, but in Greek and Turkish the figure was only 33 %.",
    ),
    _pair(
        "On 11 February 2025 the board decided that rate sheets must not go to outside models.",
        "A rate sheet shows what each customer pays, and Brackenfjord's board ruled on 11 February 2025 that no such "
        "sheet may be sent to an outside model.",
    ),
    _pair(
        "Aldermere Health Group has six hospitals and 11,400 employees.",
        "They belong to Aldermere Health Group, which runs six hospitals and employs 11,400 people.",
    ),
    _pair(
        "The Lantern model went live on January 14, 2025.",
        "It has 14 billion parameters, it started life as an open-weight release, and it went into service on "
        "14 January 2025.",
        around="The model they serve is called Lantern.",
    ),
    _pair(
        "More than 70 % of the requests stay inside the hospital group.",
        "Of these, 71.4 % stay inside and 28.6 % leave.",
        around="On an ordinary day it handles 38,000 requests at the hospital group.",
    ),
    _pair(
        "Auditors who read 5,000 released requests found that 11 of them should have been kept.",
        "In April 2025 auditors read 5,000 requests that Sieve had released and found 11 that should have stayed, "
        "a rate of 0.22 %.",
    ),
    _pair(
        "Samsung restricted the use of generative AI on company devices in May 2023.",
        "Samsung Electronics restricted generative AI tools on company devices in May 2023, after staff had pasted "
        "sensitive source code into ChatGPT.",
    ),
    _pair(
        "By March 2026 Aldermere wants to have 32 processors, twice as many as now.",
        "Aldermere plans to double the number of processors to 32 by March 2026, and to retrain Lantern twice a year.",
    ),
    _pair(
        "Midjourney's founder, David Holz, has not accepted venture capital.",
        "David Holz founded it in 2021, and he has turned down venture capital ever since, paying for growth out of "
        "the business itself.",
        around="Midjourney is an unusual partner.",
    ),
    _pair(
        "Meta acquired 49 % of Scale AI for about $14.3 billion in June 2025.",
        "In June 2025 Meta put about $14.3 billion into Scale AI, the data-labelling company that Wang co-founded, "
        "for a stake of 49 %.",
    ),
    _pair("The financial terms were not disclosed.", "Neither side published financial terms."),
    _pair(
        "Reports spoke of discussions about Gemini; no contract had been signed.",
        "What the reports described were discussions, not contracts, and the outside help was portrayed as temporary.",
        around="Leaders of Meta had looked at Google's Gemini.",
    ),
    _pair(
        "Two models, Scout and Maverick, came out on 5 April 2025 as Llama 4.",
        "Llama 4 arrived on 5 April 2025 with two models, Scout and Maverick.",
    ),
    _pair(
        "The lighthouse keeper, Anselm Roe, served for 31 years until he retired in 1974.",
        "Anselm Roe kept the lighthouse for thirty-one years and retired in 1974.",
    ),
    _pair(
        "Half of the vineyard's harvest was lost to frost in April.",
        "A night of frost in April destroyed 50 % of the harvest of the vineyard.",
    ),
    _pair(
        "The airport at Senn handled 4.1 million passengers in 2022, fewer than the year before.",
        "In 2022 the airport at Senn counted 4.1 million passengers, down from 4.6 million in 2021.",
    ),
    _pair(
        "A court in Dovrin fined the shipyard 750,000 crowns for polluting the bay.",
        "For polluting the bay, the shipyard was fined 750,000 crowns by a court in Dovrin.",
    ),
    _pair("The shipyard did not appeal.", "The shipyard decided against an appeal."),
    _pair(
        "Teachers at Holm School are unhappy with the new timetable.",
        "The new timetable has made the teachers at Holm School unhappy.",
    ),
    _pair("The vaccine proved ineffective in dogs.", "In dogs, the vaccine was not effective."),
    _pair(
        "The treaty was signed in Varn by Osterland and Quell in the third quarter of 1987.",
        "Osterland and Quell signed the treaty in Varn on 9 August 1987.",
    ),
    _pair(
        "Prices of cocoa fell by a quarter between March and July.",
        "From March to July the price of cocoa dropped by 25 %.",
    ),
    _pair("The expedition set out on a Monday.", "The expedition set out on 3 March 2025 with nine sledges."),
    _pair("The theatre was destroyed by fire in the 1890s.", "A fire destroyed the theatre in 1894."),
    _pair("The trail is about 62 miles long.", "The trail is 100 km long and crosses four valleys."),
    _pair("Elena Markov beat Tomas Grell in the final.", "In the final Tomas Grell lost to Elena Markov."),
    _pair("Grell was defeated by Markov.", "In the final Elena Markov defeated Tomas Grell."),
    _pair("The company refused to comment.", "The company did not want to comment."),
    _pair(
        "Almost 12 million visitors came to the exhibition.",
        "The exhibition drew 11.8 million visitors from 40 countries.",
    ),
    _pair(
        "The minister said that taxes would not go up before 2027.",
        "“There will be no increase in taxes before 2027,” the minister said.",
    ),
    _pair("Most of the islands have no fresh water.", "On the majority of the islands there is no fresh water."),
    _pair("Bees of this species do not sting.", "The species is one of the few whose bees never sting."),
    _pair("The printing house employed a dozen people.", "Twelve people worked in the printing house."),
    _pair(
        "Ilvar's mayor denied that the bridge was unsafe.",
        "The mayor of Ilvar said that the bridge was safe and that reports to the contrary were wrong.",
    ),
    _pair(
        "The bank lowered its interest rate to 3.25 per cent.",
        "The bank cut its interest rate by half a point, to 3.25 %.",
    ),
    _pair(
        "Dr. Halloran called a leak unacceptable, unlike a plainer summary.",
        "“A summary that is a little plainer is a price I can explain to a patient,” she said.",
        "“A leak is not.”",
        around="Dr. Ines Halloran, the group's medical director, accepted the gap.",
    ),
    _pair(
        "The comet will be visible again in 2061.", "The comet is expected to return in 2061, when it will be visible."
    ),
    _pair(
        "Sales rose 8 % to €2.4 billion, and profit was unchanged.",
        "Sales increased by 8 % to 2.4 billion euros, while profit did not change.",
    ),
    _pair(
        "The orchard grows apples and pears, but not plums.",
        "Apples and pears grow in the orchard; there are no plums.",
    ),
    _pair("The mine has been closed since 2003.", "The mine shut in 2003 and has not been reopened."),
    _pair(
        "Nadia Ferrow wrote “The Salt Road” after her first novel had failed.",
        "After the failure of her first novel, Nadia Ferrow wrote “The Salt Road”.",
    ),
    _pair("Passengers without a mask were not admitted.", "Only passengers with a mask were admitted."),
    _pair(
        "The bill would ban fishing in the strait for 5 years.",
        "Under the bill, fishing in the strait would be forbidden for five years.",
    ),
    _pair("Some of the paintings turned out to be forgeries.", "Several of the paintings proved to be forgeries."),
    _pair(
        "The glacier lost 40 metres between 1990 and 2010, and less after that.",
        "Between 1990 and 2010 the glacier retreated by 40 metres; since then it has shrunk more slowly.",
    ),
    _pair(
        "He was the first mayor of Tarn who had not been born there.",
        "No mayor of Tarn before him had been born elsewhere.",
    ),
    _pair("The ship can carry up to 900 containers.", "The ship has room for at most 900 containers."),
    _pair("At least 20 houses were damaged.", "Twenty houses or more were damaged."),
    _pair("The workshop opens at 9 and closes at 17.", "Opening hours of the workshop are from 9 to 17."),
    _pair("The library was not rebuilt after the war.", "After the war nobody rebuilt the library."),
    _pair(
        "Vidar Hult, who invented the valve, never applied for a patent.",
        "Vidar Hult invented the valve but did not apply for a patent.",
    ),
    _pair("The strike ended without an agreement.", "When the strike ended, there was no agreement."),
    _pair(
        "In two of three tests, the new engine used less fuel than the old one.",
        "The old engine used more fuel than the new one in two out of three tests.",
    ),
    _pair("A quarter of Ostmark's 1,600 farms keep sheep.", "In Ostmark, 400 of the 1,600 farms keep sheep."),
    _pair("Critics consider the plan unrealistic.", "The plan is not realistic, critics say."),
    _pair(
        "Oskar Lind stepped down as chairman in May 2016 and Petra Sand took over.",
        "Petra Sand succeeded Oskar Lind as chairman in May 2016.",
    ),
    _pair("The cathedral is older than the town hall.", "The town hall is younger than the cathedral."),
    _pair(
        "The clinic treats 900 patients a year, most of them children.",
        "Most of the 900 patients that the clinic sees every year are children.",
    ),
    _pair("Norrland exports more timber than it imports.", "Norrland imports less timber than it exports."),
    _pair("The parties have not yet reached a deal.", "So far there has been no deal between the parties."),
    _pair(
        "Unemployment in the region dropped to 4.2 percent last year, its lowest level since 1996.",
        "Last year 4.2 % of the region's workers had no job, the lowest rate since 1996.",
    ),
    _pair(
        "The pipeline could carry gas as early as 2029.",
        "Engineers believe that gas may flow through the pipeline from 2029.",
    ),
    _pair(
        "The writer was born in Tallow on 2 May 1901 and died there in 1977.",
        "She was born on May 2, 1901, in Tallow, where she also died, in 1977.",
    ),
    _pair(
        "The northern wing burned down, but the southern wing survived.",
        "Fire destroyed the northern wing; the southern one was spared.",
    ),
    _pair(
        "Halvard Bank's losses doubled to 90 million euros.", "Halvard Bank lost €90m, twice as much as a year earlier."
    ),
    _pair("Children under 6 travel free of charge.", "Children who are not yet six pay nothing."),
    _pair("The mayor lost the election to Irena Dols.", "Irena Dols won the election against the mayor."),
    _pair("He never returned to the island after 1956.", "In 1956 he left the island and did not come back."),
    _pair("Rain stopped the match in the second half.", "The match was abandoned after half-time because of rain."),
    _pair("The company has no plans to leave Ostmark.", "The company does not intend to leave Ostmark, it says."),
    _pair("It is unclear who owns the ship.", "Nobody knows who the owner of the ship is."),
    _pair("About two thirds of the voters were in favour.", "66 % of the voters supported it."),
    _pair("The trial will begin in the autumn.", "The trial is due to start in the autumn."),
    _pair("Workers rejected the offer of a 3 % raise.", "The workers did not accept the 3 % raise that was offered."),
    _pair(
        "Varde's harbour froze in January, for the first time in 30 years.",
        "For the first time in three decades the harbour of Varde froze over in January.",
    ),
    _pair(
        "The second edition appeared in 1932, two years after the first.",
        "The first edition came out in 1930, the second in 1932.",
    ),
    _pair(
        "A dispute over fees delayed the opening by three months, to September.",
        "The opening was put off from June to September because of a dispute over fees.",
    ),
    _pair("The painting sold for less than expected.", "The painting did not reach the price that had been expected."),
    _pair("Six of the nine judges agreed.", "The decision was taken by six votes to three; there are nine judges."),
    _pair("The road remains closed.", "The road has not been reopened."),
    _pair("The satellite failed to reach orbit.", "The satellite did not reach its orbit."),
    _pair("Doctors warn against the drug.", "Doctors advise people not to take the drug."),
    _pair("Tolvan's film is his shortest.", "None of Tolvan's films is as short as this one."),
    _pair("The school has 412 pupils and 31 teachers.", "There are 31 teachers for the 412 pupils of the school."),
    _pair("Marit Aune will lead the inquiry.", "The inquiry will be led by Marit Aune, a former judge."),
    _pair(
        "Prices could rise again in winter, the agency says.",
        "The agency expects that prices may rise again in winter.",
    ),
    _pair(
        "The law took effect on 1 January 2020, having been passed in late 2019.",
        "Passed in December 2019, the law has been in force since January 1, 2020.",
    ),
    _pair("The tower is half as tall as the chimney.", "The chimney is 80 metres tall and the tower 40."),
    _pair("No one has climbed the peak since 1988.", "The peak was last climbed in 1988."),
    _pair("Ruben Kade was arrested before the vote.", "The vote was held after the arrest of Ruben Kade."),
    _pair("The plant, opened in 1962, was closed in 2014.", "In 2014 the plant shut; it had been running since 1962."),
    _pair("Few of the residents own a car.", "Most of the residents do not have a car."),
    _pair("All members except one voted for the motion.", "Only one member voted against the motion."),
    _pair(
        "The union accepted the offer after three weeks of talks.",
        "After talking for three weeks, the union said yes to the offer.",
    ),
    _pair(
        "Lena Vos owes her success to her father, Hendrik Vos.",
        "Without her father, Hendrik Vos, there would have been no success, Lena Vos says.",
    ),
    _pair(
        "The number of wolves has grown from 12 to 87 in ten years.",
        "Ten years ago there were 12 wolves; today there are 87.",
    ),
    _pair("The crew of five survived.", "None of the five members of the crew died."),
    _pair("The book has not been translated into Finnish.", "There is no Finnish translation of the book."),
    _pair("Ebba Falk won her second medal in Oslo.", "In Oslo, Ebba Falk took a medal for the second time."),
    _pair("The storm left 40,000 homes without electricity.", "After the storm, 40,000 homes had no power."),
    _pair(
        "The regulator fined Telvia 3 million euros and its rival Onda 1 million.",
        "Telvia has to pay a fine of 3 million euros, its rival Onda 1 million, the regulator decided.",
    ),
    _pair(
        "The lake is shallower than it was in 2001, when it was 14 metres deep.",
        "The lake was 14 metres deep in 2001; it is less deep today.",
    ),
    _pair("Exports to Quell exceeded imports in 2018.", "In 2018 more was exported to Quell than was imported."),
    _pair("The minister may resign.", "It is possible that the minister will resign."),
    _pair("The ban will be lifted in July.", "From July on, the ban will no longer apply."),
    _pair("Only guests over 18 may enter.", "Guests who are 18 or younger are not allowed to enter."),
    _pair("Sixty per cent of the staff work at home.", "40 % of the staff work in the office, 60 % at home."),
    _pair(
        "The west bank was flooded, the east bank was not.", "The flood reached the west bank but not the east bank."
    ),
    _pair("The court upheld the verdict against Brandt.", "The court did not overturn the verdict against Brandt."),
    _pair("Jonna Pihl is the first woman to lead the academy.", "No woman had led the academy before Jonna Pihl."),
    _pair(
        "The zoo's oldest animal, a tortoise, died at the age of 134.",
        "A tortoise of 134, the oldest animal of the zoo, has died.",
    ),
    _pair(
        "Ferries run hourly in summer but only twice a day in winter.",
        "There is a ferry every hour in summer; in winter there are two a day.",
    ),
    _pair(
        "Varn lost the first match and won the second.", "After a defeat in the first match, Varn won the second one."
    ),
    _pair("Neither the driver nor the passenger was hurt.", "The driver and the passenger were not hurt."),
    _pair("The court ruled that the clause was invalid.", "The clause is not valid, the court ruled."),
    _pair("The archive is closed on Mondays.", "The archive is open from Tuesday to Sunday, and closed on Monday."),
    _pair("Supply has not kept pace with demand.", "Demand has grown faster than supply."),
    _pair(
        "The village has lost half of its people since 1950.",
        "The village had 2,000 people in 1950; there are 1,000 left.",
    ),
    _pair("Prices rose less in May than in April.", "In April prices rose more than in May."),
    _pair("The opposition says that the figures are wrong.", "The figures are not right, according to the opposition."),
    _pair("Marta Quist turned the offer down.", "Marta Quist did not accept the offer."),
    _pair("A spokesman declined to confirm the report.", "The spokesman would not confirm the report."),
    _pair("The deal was completed on Tuesday.", "The deal, announced in March, was completed on Tuesday."),
    _pair("The old mill became a museum in 1988.", "In 1988 a museum opened in the old mill."),
    _pair("Visitors must book in advance.", "Visitors cannot enter without having booked in advance."),
    _pair("The river is no longer polluted.", "The river used to be polluted and is now clean."),
    _pair("The orchestra has 82 members, 37 of them women.", "Of the 82 members of the orchestra, 37 are women."),
    _pair("Gulls outnumber terns on the island by three to one.", "On the island there are three gulls for each tern."),
    _pair(
        "The board approved the budget despite the objections of two members.",
        "Although two members objected, the board approved the budget.",
    ),
    _pair(
        "Tickets cost 12 euros, or 8 euros for students.", "Students pay 8 euros for a ticket, everyone else 12 euros."
    ),
    _pair(
        "Kestrel Air has offered to refund the tickets.", "Kestrel Air offered its customers a refund of their tickets."
    ),
)

PAIRS = VERBATIM + PARAPHRASED
