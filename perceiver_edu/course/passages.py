"""Short texts to measure on."""

PASSAGES = [  # written for this course: no model has been trained on them
    "The old man put down his newspaper, took off his glasses and looked at the clock on the wall. It was "
    "nearly six, and his daughter had not come home. He rose, went to the window, and stood there until "
    "he heard her step on the stairs.",
    "It had been raining all night, and in the morning the road to the village was under water. The "
    "farmer said that he had not seen the river so high since he was a boy, and he sent his two sons to "
    "bring the sheep up from the field.",
    "When the train came into the station there was nobody on the platform but a small boy with a dog. "
    "He looked at every one who got out, and when the last door was shut he turned round without a word "
    "and went slowly down the hill.",
    "She had not seen her brother for many years, and at first she did not know him. He had grown thin, "
    "and his hair was white; but when he began to speak she knew the voice, and she ran to him and threw "
    "her arms about his neck.",
    "They walked along the river for an hour, and then they sat down under a tree to eat their bread. "
    "The sun was hot, and there was no sound but the water. After a time the younger of the two lay "
    "back in the grass and fell asleep.",
    "There was a letter on the table, and she knew at once that it had come from her mother. She did not "
    "open it. She put it into her pocket, went on with her work until it was dark, and then she took it "
    "out and read it by the fire.",
    "In the winter the snow lies so deep here that the doors of the houses cannot be opened, and people "
    "go in and out by the windows. But in the spring, when the sun comes back, every one is in the "
    "street, and nobody thinks of sleep.",
    "The captain asked the men to bring the boat nearer to the shore before the wind got up again. They "
    "did what they could, but the sea was already too strong for them, and before long it was plain that "
    "they would have to wait for the day.",
    "I do not think that it is possible to say what he would have done if he had been there. He was a "
    "good man, and he loved his country; but he was slow to make up his mind, and there are times when "
    "it is better to do wrong than nothing.",
    "Nobody in the house had heard a sound, but in the morning the window of the kitchen was open, and "
    "the money was gone. The cook said that it must have been somebody who knew the place, for the dog "
    "had not made any noise at all.",
    "We were so tired after the long journey that we went to bed without any supper. When I woke it was "
    "still dark, and I could not remember where I was. Then I heard the bell of the church, and I knew "
    "that I was at home again.",
    "Of all the books that he had read, this was the one which he liked the best. It told of a young man "
    "who went out into the world with nothing but his hands and his good heart, and who came back after "
    "many years a rich man.",
]

ARTICLE_1 = {  # how the first article of the Universal Declaration of Human Rights begins
    "English": "All human beings are born free and equal in dignity and rights.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
}
